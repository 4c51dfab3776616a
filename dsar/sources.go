package dsar

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// What a source is asked takes its time: a convoy does not wait for one member's
// answer with what the others ask of the control database.

func find(ctx context.Context, src Source, w source.Walk) (found source.Found, err error) {
	pg.Away(ctx, func() { found, err = src.Find(ctx, w) })
	return found, err
}

func look(ctx context.Context, src Source, w source.Walk, h Holds, erased []source.RowKey) (rest source.Remainder, err error) {
	pg.Away(ctx, func() { rest, err = src.Look(ctx, w, h, erased) })
	return rest, err
}

func eraseIn(ctx context.Context, src Source, w source.Walk, h Holds, note func(context.Context, source.Note) error) (done source.Note, err error) {
	pg.Away(ctx, func() { done, err = src.Erase(ctx, w, h, note) })
	return done, err
}
