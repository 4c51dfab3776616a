package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// These serve a check, not a sweep: their answers are samples.
const (
	sampledValues = 1000
	// readBelow: larger tables are looked into by an index only.
	readBelow = 1_000_000
)

// Elsewhere returns those of the fields in which a value of valueColumn of an
// expired row stands; for fields of the selection's own collection, in rows
// that have not expired. It looks at a thousand values, and into large tables
// only where an index serves it.
func (s *Source) Elsewhere(ctx context.Context, sel source.Selection, valueColumn string, fields []*datamap.Field) ([]*datamap.Field, error) {
	sel.Holds, sel.ValueColumn, sel.ValueIn = nil, "", nil
	found := []*datamap.Field{}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.name, pg.Clean(err))
	}
	defer conn.Release()
	err = s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		e, err := s.expiring(ctx, tx, sel, nil)
		if err != nil {
			return err
		}
		value, err := e.column(e.t, valueColumn)
		if err != nil {
			return err
		}
		var others []*datamap.Collection
		for _, f := range fields {
			others = append(others, f.Collection)
		}
		cat, err := readCatalogue(ctx, tx, others)
		if err != nil {
			return err
		}
		expr := col("t", value.name)
		with := "WITH v AS MATERIALIZED (SELECT DISTINCT " + expr + "::text AS v FROM " + e.t.ident() + " AS t WHERE " +
			e.due("t") + " AND " + expr + " IS NOT NULL AND " + value.leads(expr) + fmt.Sprintf(" LIMIT %d)", sampledValues)
		var ask []string
		var asked []*datamap.Field
		for _, f := range fields {
			t := cat.table(f.Collection)
			if t == nil || t.columns[f.Name] == nil || t.oid == e.t.oid && f.Name == valueColumn && sel.StartsAt == "" && sel.Unless == nil {
				continue
			}
			c := t.columns[f.Name]
			if !c.class.textual() && c.class != classUUID || t.estimate > readBelow && !t.indexed(f.Name, "") {
				continue
			}
			rest := ""
			if t.oid == e.t.oid {
				rest = " AND (" + e.due("h") + ") IS NOT TRUE"
			}
			ask = append(ask, "EXISTS (SELECT 1 FROM "+t.ident()+" AS h WHERE "+col("h", c.name)+"::text IN (SELECT v.v FROM v)"+rest+")")
			asked = append(asked, f)
		}
		if len(ask) == 0 {
			return nil
		}
		var yes []bool
		if err := tx.QueryRow(ctx, with+"\nSELECT ARRAY["+strings.Join(ask, ", ")+"]", e.args...).Scan(&yes); err != nil {
			return err
		}
		for i, y := range yes {
			if y {
				found = append(found, asked[i])
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("source %s: look for expired values of %s: %w", s.name, sel.Collection.FullName(), pg.Clean(err))
	}
	return found, nil
}

// Refused says of columns that the selection changes why they cannot take what would
// stand there, as Misfits says of an erasure's, and which values of its conditions no row
// can have: by such a one too much may expire. Of a selection that does not fit at all it
// says nothing: Expired does.
func (s *Source) Refused(ctx context.Context, sel source.Selection) (reasons []string, err error) {
	defer func() { err = s.failed("check what would stand in "+sel.Collection.FullName(), err) }()
	sel.Holds, sel.ValueIn = nil, nil
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		var e *expiring
		err := s.inTx(ctx, conn, reading, func(tx pgx.Tx) (err error) {
			e, err = s.expiring(ctx, tx, sel, nil)
			return err
		})
		var unfit *NotSwept
		if err != nil {
			if errors.As(err, &unfit) {
				err = nil
			}
			return err
		}
		if reasons, err = e.vain(ctx, conn); err != nil || sel.Then == source.TruncateIP { // which depends on the address
			return err
		}
		k, masks := &checking{s: s, cat: e.cat}, []mask{}
		for _, c := range e.need {
			m := mask{field: &datamap.Field{Name: c.column.name, Collection: sel.Collection}, column: c.column, how: "null_rewrite"}
			if c.action == source.Mask {
				m.how, m.value = "string_rewrite", c.text
			}
			masks = append(masks, m)
		}
		for _, m := range masks {
			why, _, err := k.refusal(ctx, conn, e.t, m, masks, masks)
			if err != nil {
				return err
			}
			if why != "" {
				reasons = append(reasons, m.field.FullName()+" cannot be changed so: "+why)
			}
		}
		return nil
	})
	return reasons, err
}

// vain says which values of the selection's conditions no row can have.
func (e *expiring) vain(ctx context.Context, conn *pgxpool.Conn) (reasons []string, err error) {
	look := func(t *table, c *datamap.Collection, does string, where map[string][]*string) {
		if err == nil {
			err = t.vain(ctx, conn, where, func(column, v, why string) {
				reasons = append(reasons, fmt.Sprintf("no row of %s %s by %s %q: %s", c.FullName(), does, column, v, why))
			})
		}
	}
	look(e.t, e.sel.Collection, "is meant", e.sel.Where)
	look(e.t, e.sel.Collection, "is left out", e.sel.WhereNot)
	if u := e.sel.Unless; u != nil {
		look(e.cat.table(u.Collection), u.Collection, "keeps another", u.Where)
	}
	return reasons, err
}

// Indexed tells whether an index begins with the column, and about how many rows there are.
func (s *Source) Indexed(ctx context.Context, c *datamap.Collection, column string) (bool, int64, error) {
	cat, err := readCatalogue(ctx, s.pool, []*datamap.Collection{c})
	if err != nil {
		return false, 0, fmt.Errorf("source %s: %w", s.name, pg.Clean(err))
	}
	t := cat.table(c)
	if t == nil {
		return false, 0, fmt.Errorf("source %s: %w", s.name, notSwept("there is no table %s", c.FullName()))
	}
	return t.indexed(column, ""), max(0, int64(t.estimate)), nil
}
