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

// flush carries out what was put off.
func (d *deferred) flush(ctx context.Context, tx pgx.Tx) error {
	last, err := d.last(ctx, tx)
	if err != nil || last.Len() == 0 {
		return err
	}
	return tx.SendBatch(ctx, last).Close()
}

// last carries out what has to ask first, and returns, to go out in one pipeline,
// all that is a statement (Put), also that which the others came to.
func (d *deferred) last(ctx context.Context, tx pgx.Tx) (*pgx.Batch, error) {
	var puts deferred
	for len(d.kinds) > 0 {
		now := *d
		*d = deferred{}
		for _, l := range now.kinds {
			if l.run == nil {
				for _, v := range now.values[l.key] {
					puts.add(l, v)
				}
				continue
			}
			if err := l.run(ctx, &ownTx{tx, d}, now.values[l.key]); err != nil {
				return nil, err
			}
		}
	}
	statements := &pgx.Batch{}
	for _, l := range puts.kinds {
		var sets [][]any
		for _, v := range puts.values[l.key] {
			sets = append(sets, v.([]any)) //nolint:forcetypeassert // see Put
		}
		statements.Queue(string(l.key.(putting)), inStep(sets)...) //nolint:forcetypeassert // only Put has no run
	}
	return statements, nil
}

// ownTx is a transaction of InTx that is nobody else's.
type ownTx struct {
	pgx.Tx
	d *deferred
}

func (t *ownTx) later(l lateness, v any) { t.d.add(l, v) }
