package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lethe-dsr/lethe/internal/source"
)

// A subject with few rows is given them by the walk itself: one statement, one
// round trip, one snapshot without a transaction around it. Values travel as
// text, so that the rows of all tables fit one result. Where there are more rows
// or bytes than these, nothing of them travels and the snapshot is opened in
// the way of large subjects.
const (
	broughtRows  = 1_000
	broughtBytes = 1 << 20
)

// atOnce tries that way, and tells whether it was enough.
func (n *snapshot) atOnce(ctx context.Context) (bool, error) {
	if n.s.o.Shard || n.c.p.toldApart() {
		return false, nil // rows bring their rank; elements are told apart by rows found later
	}
	if err := n.s.settings(ctx, n.conn); err != nil {
		return false, err
	}
	r := *n.c.r
	r.above = min(r.above, broughtRows)
	st := n.c.p.bringing(n.c.v)
	res := &result{p: r.p}
	brought := make([][][]*string, len(n.c.p.stops))
	into := []any{&res.big, &res.counts}
	for i := range brought {
		into = append(into, &brought[i])
	}
	if err := n.conn.QueryRow(ctx, st.sql, st.args(&r)...).Scan(into...); err != nil {
		return false, fmt.Errorf("walk: %w", err)
	}
	if res.big {
		return false, nil
	}
	for _, s := range n.c.p.stops {
		if places := s.sortedHere(); places != nil {
			slices.SortFunc(brought[s.i], byNumbers(places))
		}
	}
	n.findings, n.brought = res.findings(n.s.name), brought
	n.conn.Release()
	n.conn = nil
	return true, nil
}

// bringing is the chain that ends in the rows themselves: per stop an array of
// rows, each an array of its fields' texts.
func (p *program) bringing(v variant) *statement {
	return p.statement("chain bring"+v.name(), func() *statement {
		w := &writer{p: p, giving: true}
		with := w.walked(v)
		cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
		w.marks(cte, v)
		mineIn := w.mineIn(v)
		var from, counts, reached, bytes, rows []string
		for _, s := range p.stops {
			var all, wide, order []string
			for i, gift := range s.given() {
				g := fmt.Sprintf("k.g%d", i)
				all = append(all, g)
				if s.t.columns[gift.field.Name].class.wide() {
					wide = append(wide, "coalesce(octet_length("+g+"), 0)")
				}
			}
			for i := range s.ranked(true) {
				order = append(order, fmt.Sprintf("k.o%d", i))
			}
			a := fmt.Sprintf("a%d", s.i)
			own, others := "count(*)", "0"
			if !w.plain(s, v) {
				own, others = "count(*) FILTER (WHERE k.mine)", "count(*) FILTER (WHERE NOT k.mine)"
			}
			// A row above its share of the bytes makes all of them too many, and
			// is not gathered.
			length := strings.Join(append(wide, "0"), " + ")
			list := "NULL::text[] AS rows"
			if len(all) > 0 {
				sorted := " ORDER BY " + strings.Join(order, ", ")
				if s.sortedHere() != nil {
					sorted = ""
				}
				list = "array_agg(ARRAY[" + strings.Join(all, ", ") + "]" + sorted + ") FILTER (WHERE " +
					w.givenTo(s, v) + " AND k.some AND " + length + " <= " + strconv.Itoa(broughtBytes/16) + ") AS rows"
			}
			from = append(from, fmt.Sprintf("(SELECT %s AS own, %s AS others, coalesce(sum(CASE WHEN %s > %d THEN %d ELSE %s END), 0) AS bytes, %s FROM %s k) %s",
				own, others, length, broughtBytes/16, broughtBytes+1, length, list, mineIn(s), a))
			counts = append(counts, a+".own", a+".others", "0", "0", "0", "0")
			reached = append(reached, a+".own + "+a+".others")
			bytes = append(bytes, a+".bytes")
			rows = append(rows, "CASE WHEN z.fits THEN z.rows"+strconv.Itoa(s.i)+" END")
			from[s.i] = strings.Replace(from[s.i], " AS rows", " AS rows"+strconv.Itoa(s.i), 1)
		}
		if len(from) == 0 {
			return w.statement("SELECT false, ARRAY[]::int8[]")
		}
		// Where the walk reached too much, the marks of rows are not made, and what
		// is counted here says nothing.
		if slices.ContainsFunc(p.stops, func(s *stop) bool { return !w.plain(s, v) }) {
			bytes = append(bytes, "(SELECT CASE WHEN yes THEN "+strconv.Itoa(broughtBytes+1)+" ELSE 0 END FROM big)")
		}
		inner := "SELECT *, " + strings.Join(reached, " + ") + " <= " + w.bind("above", func(r *run) any { return r.above }) + "::int8 AND " +
			strings.Join(bytes, " + ") + " <= " + strconv.Itoa(broughtBytes) + " AS fits, ARRAY[" + strings.Join(counts, ", ") + "]::int8[] AS counts FROM " + strings.Join(from, ", ")
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT NOT z.fits, z.counts, " + strings.Join(rows, ", ") + " FROM (" + inner + " OFFSET 0) z")
	})
}

// sortedHere are the places, among the fields given, of the key by which the rows
// are put in order here: a quarter of the statement's time would be sorts of
// three rows each. nil where the database must do it, because the map says how,
// or because the key's order is not that of its numbers.
func (s *stop) sortedHere() []int {
	if len(s.c.Order) > 0 {
		return nil
	}
	var places []int
	for _, k := range s.key {
		i := slices.IndexFunc(s.given(), func(g gift) bool { return g.field.Name == k })
		if i < 0 || s.t.columns[k].class != classInt || !s.t.columns[k].notNull {
			return nil
		}
		places = append(places, i)
	}
	return places
}

// byNumbers compares rows by whole numbers at those places.
func byNumbers(places []int) func(a, b []*string) int {
	return func(a, b []*string) int {
		for _, i := range places {
			m, _ := strconv.ParseInt(*a[i], 10, 64)
			n, _ := strconv.ParseInt(*b[i], 10, 64)
			if c := cmp.Compare(m, n); c != 0 {
				return c
			}
		}
		return 0
	}
}

// wide tells whether a value may be of any length.
func (c class) wide() bool {
	switch c {
	case classInt, classUUID, classInet, classBool, classFloat, classStamp, classLocal:
		return false
	}
	return true
}

// carried yields the rows that came with the walk.
func (n *snapshot) carried(_ context.Context, at *stop, yield func(source.Row) error) error {
	gifts := at.given()
	names := make([]string, len(gifts))
	classes := make([]class, len(gifts))
	for i, g := range gifts {
		names[i], classes[i] = g.field.Name, at.t.columns[g.field.Name].class
	}
	for _, row := range n.brought[at.i] {
		values := make([]any, len(row))
		for i, text := range row {
			v, err := classes[i].parsed(text)
			if err != nil {
				return fmt.Errorf("a value of the column %s.%s cannot be read: expected a %s", at.c.FullName(), names[i], classes[i])
			}
			values[i] = classes[i].value(v)
		}
		if err := yield(source.Row{Fields: names, Values: values}); err != nil {
			return err
		}
	}
	return nil
}

// parsed reads the text of what given made of a column, as pgx would have read its bytes.
func (c class) parsed(text *string) (any, error) {
	if text == nil {
		return nil, nil
	}
	switch c {
	case classBool:
		return strconv.ParseBool(*text)
	case classInt:
		return strconv.ParseInt(*text, 10, 64)
	case classFloat:
		return strconv.ParseFloat(*text, 64)
	case classStamp:
		return (&pgtype.TimestamptzCodec{}).DecodeValue(nil, pgtype.TimestamptzOID, pgx.TextFormatCode, []byte(*text))
	case classLocal:
		return (&pgtype.TimestampCodec{}).DecodeValue(nil, pgtype.TimestampOID, pgx.TextFormatCode, []byte(*text))
	}
	return *text, nil
}
