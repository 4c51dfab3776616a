package main

import (
	"context"
	"fmt"
	"io"

	"github.com/goccy/go-graphviz"
)

// drawSVG lays a graph in Graphviz' language out and writes it as SVG.
func drawSVG(ctx context.Context, out io.Writer, dot string) error {
	g, err := graphviz.New(ctx)
	if err != nil {
		return fmt.Errorf("draw the plan: %w", err)
	}
	defer func() { _ = g.Close() }()
	graph, err := graphviz.ParseBytes([]byte(dot))
	if err != nil {
		return fmt.Errorf("draw the plan: %w", err)
	}
	defer func() { _ = graph.Close() }()
	if err := g.Render(ctx, graph, graphviz.SVG, out); err != nil {
		return fmt.Errorf("draw the plan: %w", err)
	}
	return nil
}
