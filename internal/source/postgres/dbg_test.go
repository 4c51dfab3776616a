package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

func TestDbg(t *testing.T) {
	full, m := store(t, 5_000)
	pool, heard := planned(t, full)
	erasure, access := planOf(t, m, datamap.Erasure, "email"), planOf(t, m, datamap.Access, "email")
	ctx := t.Context()
	s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	for i := range 3 {
		heard.take()
		gives(ctx, s, source.Walk{Plan: access, Seeds: seeds("email", address(10+i))})
	}
	fmt.Println("ACCESS", heard.take())
	for i := range 3 {
		handGives(ctx, pool, 100+i)
		heard.take()
		s.Erase(ctx, source.Walk{Plan: erasure, Seeds: seeds("email", address(20+i))}, source.Holds{}, noNote)
	}
	fmt.Println("ERASE", heard.take())
	handErases(ctx, pool, 300)
	handErases(ctx, pool, 301)
	fmt.Println("HAND", heard.take())
	var many []source.Walk
	for i := range 1000 {
		many = append(many, source.Walk{Plan: erasure, Seeds: seeds("email", address(1000+i+1))})
	}
	s.EraseBatch(ctx, many, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil })
	fmt.Println("BATCH", heard.take())
}
