package pg

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Each asks a statement that is written for many and called for one. Its
// parameters are arrays with one value for each caller, in step; each row that
// it returns begins with its caller's number, from 1:
//
//	SELECT e.n, r.status FROM unnest($1::bigint[]) WITH ORDINALITY AS e (id, n) JOIN requests r USING (id)
//
// Where many members of a convoy ask the same at the same time it is carried out
// once for all of them; elsewhere for the one. args are the caller's own values,
// whose types are the same in every call, no untyped nil among them; the rows
// come without the number. A statement that changes rows must not be asked to
// change one row for two callers at once: the second change would be lost (Claim).
func Each(ctx context.Context, db DB, sql string, args ...any) (pgx.Rows, error) {
	return EachOf(ctx, db, sql, [][]any{args})
}

// EachOf is Each for a caller with several sets of values, at least one; where
// the statement orders its rows by their numbers, they come in the sets' order.
func EachOf(ctx context.Context, db DB, sql string, sets [][]any) (pgx.Rows, error) {
	if a, ok := db.(interface {
		each(ctx context.Context, e *eachly) (rows pgx.Rows, err error)
	}); ok {
		if rows, err := a.each(ctx, &eachly{sql: sql, sets: sets}); rows != nil || err != nil {
			return rows, err
		}
	}
	rows, err := db.Query(ctx, sql, inStep(sets)...)
	if err != nil {
		return nil, err
	}
	return unnumbered{rows}, nil
}

// EachRow is Each for a statement with at most one row a caller.
func EachRow(ctx context.Context, db DB, sql string, args ...any) pgx.Row {
	rows, err := Each(ctx, db, sql, args...)
	return single{rows, err}
}

// EachExec is Each for its effect. It returns how many rows came back.
func EachExec(ctx context.Context, db DB, sql string, args ...any) (n int64, err error) {
	rows, err := Each(ctx, db, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// EachOfExec is EachOf for its effect.
func EachOfExec(ctx context.Context, db DB, sql string, sets [][]any) error {
	rows, err := EachOf(ctx, db, sql, sets)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// Put is Each for what a transaction only adds or changes, and does not read
// again: it is put off to its end (Later), and counts nothing.
func Put(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	if d, ok := tx.(interface{ later(l lateness, v any) }); ok {
		d.later(lateness{key: putting(sql)}, args)
		return nil
	}
	_, err := tx.Exec(ctx, sql, inStep([][]any{args})...)
	return err
}

// EachPut is Put for what the transaction reads again: it is carried out at once.
func EachPut(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := EachExec(ctx, tx, sql, args...)
	return err
}

type putting string

// eachly is what one caller asks by Each.
type eachly struct {
	sql  string
	sets [][]any
}

// inStep makes of sets of values one array a parameter.
func inStep(sets [][]any) []any {
	params := make([]any, len(sets[0]))
	for i, first := range sets[0] {
		list := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(first)), len(sets), len(sets))
		for n, args := range sets {
			list.Index(n).Set(reflect.ValueOf(args[i]))
		}
		params[i] = list.Interface()
	}
	return params
}

// each asks as a member of a convoy; nothing comes back where it is none.
func (p Pool) each(ctx context.Context, e *eachly) (pgx.Rows, error) {
	r, ok := p.together(ctx, &ask{each: e})
	if !ok {
		return nil, nil
	}
	return r.Query()
}

func (m *memberTx) each(_ context.Context, e *eachly) (pgx.Rows, error) {
	r, err := m.ask(&ask{each: e})
	if err != nil {
		return nil, err
	}
	return r.Query()
}

// alike are asks that one statement answers.
func alike(asks []*ask) (groups [][]*ask) {
	at := map[string]int{}
	for _, a := range asks {
		n, known := at[a.each.sql]
		if !known {
			n = len(groups)
			at[a.each.sql] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], a)
	}
	return groups
}

var errNumber = errors.New("pg: a row without its caller's number")

// handOut gives the rows of a statement for many to its callers.
func handOut(all outcome, to []*ask) error {
	if len(all.fields) == 0 && len(all.rows) == 0 { // for its effect alone
		for _, a := range to {
			a.results = []outcome{{tag: all.tag}}
		}
		return nil
	}
	if len(all.fields) == 0 {
		return errNumber
	}
	var whose []*ask // by number
	for _, a := range to {
		a.results = []outcome{{fields: all.fields[1:], tag: all.tag}}
		for range a.each.sets {
			whose = append(whose, a)
		}
	}
	for _, row := range all.rows {
		n, err := number(all.fields[0], row[0])
		if err != nil || n < 1 || n > len(whose) {
			return errNumber
		}
		r := &whose[n-1].results[0]
		r.rows = append(r.rows, row[1:])
	}
	return nil
}

func number(f pgconn.FieldDescription, raw []byte) (int, error) {
	switch {
	case f.Format == pgx.TextFormatCode:
		return strconv.Atoi(string(raw))
	case len(raw) == 8:
		return int(binary.BigEndian.Uint64(raw)), nil //nolint:gosec // its range is looked at by the caller
	case len(raw) == 4:
		return int(binary.BigEndian.Uint32(raw)), nil
	}
	return 0, fmt.Errorf("%w: %d bytes", errNumber, len(raw))
}

// unnumbered are rows without their first column.
type unnumbered struct{ pgx.Rows }

func (u unnumbered) FieldDescriptions() []pgconn.FieldDescription {
	all := u.Rows.FieldDescriptions()
	return all[min(1, len(all)):]
}

func (u unnumbered) RawValues() [][]byte { return u.Rows.RawValues()[1:] }

func (u unnumbered) Values() ([]any, error) {
	v, err := u.Rows.Values()
	return v[min(1, len(v)):], err
}

func (u unnumbered) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			return s.ScanRow(u)
		}
	}
	return u.Rows.Scan(slices.Insert(dest, 0, nil)...)
}

// single is the first row alone.
type single struct {
	rows pgx.Rows
	err  error
}

func (s single) Scan(dest ...any) error {
	if s.err != nil {
		return s.err
	}
	defer s.rows.Close()
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := s.rows.Scan(dest...); err != nil {
		return err
	}
	s.rows.Close()
	return s.rows.Err()
}
