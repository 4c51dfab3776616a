package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/source"
)

// A value above Options.LongAbove does not travel with its row: it would stand in
// memory as the driver's bytes, as a text, as a line of JSON and one of CSV at
// once. Whoever reads the row reads the value by itself, in pieces, as a
// source.Long. Of columns that name files all keys are read with the row.

// pieceBytes is what is read at once of such a value.
const pieceBytes = 1 << 20

// stored is the condition that a column of text or bytes holds more bytes than
// these as they are given, which Postgres can tell without reading them; "" for others.
func (c *column) stored(above int64) string {
	name := col("t", c.name)
	switch {
	case c.typ == "bytea": // two digits for each
		return "octet_length(" + name + ") > " + strconv.FormatInt(above/2, 10)
	case c.class == classText:
		return "octet_length(" + name + "::text) > " + strconv.FormatInt(above, 10)
	}
	return ""
}

// tooLongToTravel is the condition that a value does not travel with its row; ""
// where it always does. What has to be written out to be measured is, where it
// is stored at some length: Postgres' compression makes less than 1/256 of nothing.
func (n *snapshot) tooLongToTravel(g gift, c *column, given string) string {
	above := n.s.o.LongAbove
	if !c.class.wide() || c.class == classNumeric || g.field.Object != "" {
		return ""
	}
	if stored := c.stored(above); stored != "" {
		return stored
	}
	return fmt.Sprintf("(pg_column_size(%s) > %d AND octet_length(%s) > %d)", col("t", c.name), above/512, given, above)
}

// long is a value of the row with that key, to be read while the snapshot is open.
func (n *snapshot) long(at *stop, i int, named any) source.Long {
	key, _ := named.(string)
	c := at.t.columns[at.given()[i].field.Name]
	l := source.Long{Ending: "txt", Read: func(ctx context.Context, yield func([]byte) error) error {
		var refused error
		err := n.pieces(ctx, at, i, key, func(piece []byte) error {
			refused = yield(piece)
			return refused
		})
		if refused != nil {
			return refused
		}
		return n.s.failed("read a long value of "+at.c.FullName(), err)
	}}
	switch {
	case c.typ == "bytea":
		l.Ending = "bin"
	case c.class == classJSON, c.class == classArray:
		l.Ending = "json"
	}
	return l
}

// pieces reads one value of one row. It is made once: of a text, a document or an
// array Postgres holds all of it meanwhile, of bytes the piece alone.
func (n *snapshot) pieces(ctx context.Context, at *stop, i int, key string, yield func([]byte) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errClosed
	}
	st := n.c.p.statement(fmt.Sprintf("piece %d %d %t%s %s", at.i, i, n.staged, n.c.v.name(), n.c.keys().role), func() *statement {
		w := &writer{p: n.c.p, staged: n.staged}
		g := at.given()[i]
		c := at.t.columns[g.field.Name]
		value := col("t", c.name)
		if c.typ != "bytea" {
			value = inUTF8(n.gift(w, at, g))
		}
		this := "(SELECT * FROM " + w.keyRows(at, places(at), "x", keyNames(at), "long", func(r *run) map[string][]string { return r.long }) + ")"
		size := strconv.Itoa(pieceBytes)
		return w.statement("SELECT substring(x.v FROM g.n FOR " + size + ") FROM (SELECT " + value + " AS v FROM " + at.t.ident() + " t WHERE " +
			w.byKey(at, this, "true") + " OFFSET 0) x CROSS JOIN LATERAL generate_series(1, octet_length(x.v), " + size + ") AS g(n)")
	})
	r := *n.c.r
	r.long = map[string][]string{at.c.FullName(): {key}}
	rows, err := n.stream(ctx, st, &r, pgx.QueryResultFormats{pgx.BinaryFormatCode})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := yield(rows.RawValues()[0]); err != nil {
			return err
		}
	}
	return rows.Err()
}
