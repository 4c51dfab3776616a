package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// What a transaction only adds, and never reads again, can wait for its end:
// all that is to be added in one way then goes in one statement, also what
// several members of a convoy add.

// Later puts v off to the end of a transaction of InTx: just before the commit
// run is called once for all that was put off under the same key. In any other
// transaction it is called at once.
func Later[T any](ctx context.Context, tx pgx.Tx, key any, v T, run func(ctx context.Context, tx pgx.Tx, all []T) error) error {
	if d, ok := tx.(interface{ later(l lateness, v any) }); ok {
		d.later(lateness{key, func(ctx context.Context, tx pgx.Tx, values []any) error {
			all := make([]T, len(values))
			for i, v := range values {
				all[i] = v.(T) //nolint:forcetypeassert // a key stands for one type
			}
			return run(ctx, tx, all)
		}}, v)
		return nil
	}
	return run(ctx, tx, []T{v})
}

type lateness struct {
	key any
	run func(ctx context.Context, tx pgx.Tx, values []any) error
}

// deferred are values by key, in the order in which the keys came.
type deferred struct {
	kinds  []lateness
	values map[any][]any
}

func (d *deferred) add(l lateness, v any) {
	if d.values == nil {
		d.values = map[any][]any{}
	}
	if _, known := d.values[l.key]; !known {
		d.kinds = append(d.kinds, l)
	}
	d.values[l.key] = append(d.values[l.key], v)
}

// flush carries out what was put off: first, in one pipeline, what is a
// statement (Put), then the rest.
func (d *deferred) flush(ctx context.Context, tx pgx.Tx) error {
	kinds, values := d.kinds, d.values
	d.kinds, d.values = nil, nil
	puts := &pgx.Batch{}
	for _, l := range kinds {
		sql, put := l.key.(putting)
		if !put {
			continue
		}
		var sets [][]any
		for _, v := range values[l.key] {
			sets = append(sets, v.([]any)) //nolint:forcetypeassert // see Put
		}
		puts.Queue(string(sql), inStep(sets)...)
	}
	if puts.Len() > 0 {
		if err := tx.SendBatch(ctx, puts).Close(); err != nil {
			return err
		}
	}
	for _, l := range kinds {
		if l.run == nil {
			continue
		}
		if err := l.run(ctx, tx, values[l.key]); err != nil {
			return err
		}
	}
	return nil
}

// ownTx is a transaction of InTx that is nobody else's.
type ownTx struct {
	pgx.Tx
	d deferred
}

func (t *ownTx) later(l lateness, v any) { t.d.add(l, v) }
