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
	rows, fits, err := n.bring(ctx, &r)
	if err != nil || !fits {
		return false, err
	}
	n.brought = rows
	n.conn.Release()
	n.conn = nil
	return true, nil
}

// bring runs the statement and reads its one row. It is read by hand: a result of
// so many small values takes longer to find its way through a general decoder
// than Postgres needs to make it.
func (n *snapshot) bring(ctx context.Context, r *run) ([][][]cell, bool, error) {
	st := n.c.p.bringing(n.c.v)
	rows, err := n.conn.Query(ctx, st.sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, st.args(r)...)...)
	if err != nil {
		return nil, false, fmt.Errorf("walk: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		rows.Close()
		return nil, false, fmt.Errorf("walk: %w", cmp.Or(rows.Err(), pgx.ErrNoRows))
	}
	raw := rows.RawValues()
	fits := len(raw[0]) == 1 && raw[0][0] == 1
	brought, found := make([][][]cell, len(n.c.p.stops)), &result{p: r.p, counts: make([]int64, len(n.c.p.stops)*tallied)}
	if fits {
		fits, err = n.unpack(raw, brought, found.counts)
	}
	rows.Close()
	if err = cmp.Or(err, rows.Err()); err != nil {
		return nil, false, fmt.Errorf("walk: %w", err)
	}
	if fits {
		n.findings = found.findings(n.s.name)
	}
	return brought, fits, nil
}

// unpack sorts what came under the stops, and counts it.
func (n *snapshot) unpack(raw [][]byte, brought [][][]cell, counts []int64) (fits bool, err error) {
	own, err := wholes(raw[1])
	if err != nil {
		return false, err
	}
	w := &writer{p: n.c.p, certain: n.c.p.certain(n.c.v, false), v: n.c.v}
	for _, s := range n.c.p.stops {
		rows, err := cellsOf(raw[2+s.i])
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			if slices.ContainsFunc(row, cell.tooLong) {
				return false, nil
			}
		}
		b, count := n.c.p.bearing(s), counts[s.i*tallied:]
		if w.light(s) {
			count[mine] = int64(len(rows))
			rows = slices.DeleteFunc(rows, func(row []cell) bool {
				return !slices.ContainsFunc(b.asked, func(i int) bool { return !row[i].null })
			})
		} else {
			count[mine], count[shared], own = own[0], own[1], own[2:]
		}
		if b.sorted != nil && !slices.IsSortedFunc(rows, byNumbers(b.sorted)) {
			slices.SortFunc(rows, byNumbers(b.sorted))
		}
		brought[s.i] = rows
	}
	return true, nil
}

// light tells whether a stop's rows travel as they are: all of them the subject's
// alone, and counted and sifted here.
func (w *writer) light(s *stop) bool { return w.plain(s, w.v) && w.p.bearing(s).asked != nil }

// bringing is the chain that ends in the rows themselves: whether they are few
// enough; two counts for each stop that is not light; and per stop an array of rows,
// each an array of its fields' texts.
func (p *program) bringing(v variant) *statement {
	return p.statement("chain bring"+v.name(), func() *statement {
		w := &writer{p: p, giving: true}
		with := w.walked(v)
		cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
		w.marks(cte, v)
		list, from := []string{}, []string{}
		counts, number, bytes, rows := []string{}, []string{"0"}, []string{"0"}, []string{}
		for _, s := range p.stops {
			name := fmt.Sprintf("rows%d", s.i)
			rows = append(rows, "CASE WHEN z.fits THEN z."+name+" END")
			if w.light(s) {
				list = append(list, "(SELECT "+w.gathered(s)+" FROM "+reachedIn(s)+" k) AS "+name)
				number = append(number, "coalesce(array_length(y."+name+", 1), 0)")
				bytes = append(bytes, "coalesce(pg_column_size(y."+name+"), 0)")
				continue
			}
			a := fmt.Sprintf("a%d", s.i)
			list = append(list, fmt.Sprintf("%[1]s.own AS own%[2]d, %[1]s.others AS others%[2]d, %[1]s.bytes AS bytes%[2]d, %[1]s.rows AS %[3]s", a, s.i, name))
			from = append(from, "("+w.sifted(s, v)+") "+a)
			counts = append(counts, fmt.Sprintf("z.own%d", s.i), fmt.Sprintf("z.others%d", s.i))
			number = append(number, fmt.Sprintf("y.own%d + y.others%d", s.i, s.i))
			bytes = append(bytes, fmt.Sprintf("y.bytes%d", s.i))
		}
		if len(list) == 0 {
			return w.statement("SELECT true, ARRAY[]::int8[]")
		}
		inner := "SELECT " + strings.Join(list, ",\n ")
		if len(from) > 0 {
			inner += "\nFROM " + strings.Join(from, ",\n ")
		}
		fits := strings.Join(number, " + ") + " <= " + w.bind("above", func(r *run) any { return r.above }) + "::int8 AND " +
			strings.Join(bytes, " + ") + " <= " + strconv.Itoa(broughtBytes)
		// Where the walk reached too much, the marks of rows are not made, and what
		// is counted here says nothing.
		if slices.ContainsFunc(p.stops, func(s *stop) bool { return !w.plain(s, v) }) {
			fits += " AND NOT (SELECT yes FROM big)"
		}
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT z.fits, ARRAY[" + strings.Join(counts, ", ") + "]::int8[], " +
			strings.Join(rows, ", ") + "\nFROM (SELECT y.*, " + fits + " AS fits FROM (" + inner + " OFFSET 0) y OFFSET 0) z")
	})
}

// gathered is the array of a light stop's rows. A value above its share of the
// bytes is not gathered; tooLong stands in its place, and the walk is begun anew.
func (w *writer) gathered(s *stop) string {
	wide, all, order := 0, []string{}, []string{}
	b := w.p.bearing(s)
	for _, c := range b.classes {
		if c.wide() {
			wide++
		}
	}
	for i, c := range b.classes {
		g := fmt.Sprintf("k.g%d", i)
		if c.wide() {
			g = fmt.Sprintf("CASE WHEN octet_length(%s) > %d THEN %s ELSE %s END", g, broughtBytes/16/wide, literal(tooLong), g)
		}
		all = append(all, g)
	}
	for i := range s.ranked(b.sorted == nil) {
		order = append(order, fmt.Sprintf("k.o%d", i))
	}
	sorted := ""
	if len(order) > 0 {
		sorted = " ORDER BY " + strings.Join(order, ", ")
	}
	return "array_agg(ARRAY[" + strings.Join(all, ", ") + "]" + sorted + ")"
}

// sifted counts the rows of another stop, and gathers those that are given.
func (w *writer) sifted(s *stop, v variant) string {
	var all, wide, order []string
	b := w.p.bearing(s)
	for i, c := range b.classes {
		g := fmt.Sprintf("k.g%d", i)
		all = append(all, g)
		if c.wide() {
			wide = append(wide, "coalesce(octet_length("+g+"), 0)")
		}
	}
	for i := range s.ranked(b.sorted == nil) {
		order = append(order, fmt.Sprintf("k.o%d", i))
	}
	own, others := "count(*)", "0"
	if !w.plain(s, v) {
		own, others = "count(*) FILTER (WHERE k.mine)", "count(*) FILTER (WHERE NOT k.mine)"
	}
	// A row above its share of the bytes makes all of them too many, and is not gathered.
	length := strings.Join(append(wide, "0"), " + ")
	list := "NULL::text[] AS rows"
	if len(all) > 0 {
		sorted := ""
		if len(order) > 0 {
			sorted = " ORDER BY " + strings.Join(order, ", ")
		}
		list = "array_agg(ARRAY[" + strings.Join(all, ", ") + "]" + sorted + ") FILTER (WHERE " +
			w.givenTo(s, v) + " AND k.some AND " + length + " <= " + strconv.Itoa(broughtBytes/16) + ") AS rows"
	}
	return fmt.Sprintf("SELECT %s AS own, %s AS others, coalesce(sum(CASE WHEN %s > %d THEN %d ELSE %s END), 0) AS bytes, %s FROM %s k",
		own, others, length, broughtBytes/16, broughtBytes+1, length, list, w.mineIn(v)(s))
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
func byNumbers(places []int) func(a, b []cell) int {
	return func(a, b []cell) int {
		for _, i := range places {
			m, _ := strconv.ParseInt(a[i].text, 10, 64)
			n, _ := strconv.ParseInt(b[i].text, 10, 64)
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
	b := n.c.p.bearing(at)
	for _, row := range n.brought[at.i] {
		values := make([]any, len(row))
		for i, c := range row {
			v, err := b.classes[i].parsed(c)
			if err != nil {
				return fmt.Errorf("a value of the column %s.%s cannot be read: expected a %s", at.c.FullName(), b.names[i], b.classes[i])
			}
			values[i] = b.classes[i].value(v)
		}
		if err := yield(source.Row{Fields: b.names, Values: values}); err != nil {
			return err
		}
	}
	return nil
}

// parsed reads the text of what given made of a column, as pgx would have read its bytes.
func (c class) parsed(of cell) (any, error) {
	if of.null {
		return nil, nil
	}
	switch c {
	case classBool:
		return strconv.ParseBool(of.text)
	case classInt:
		return strconv.ParseInt(of.text, 10, 64)
	case classFloat:
		return strconv.ParseFloat(of.text, 64)
	case classStamp:
		return (&pgtype.TimestamptzCodec{}).DecodeValue(nil, pgtype.TimestamptzOID, pgx.TextFormatCode, []byte(of.text))
	case classLocal:
		return (&pgtype.TimestampCodec{}).DecodeValue(nil, pgtype.TimestampOID, pgx.TextFormatCode, []byte(of.text))
	}
	return of.text, nil
}
