package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mentions"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Mentions of a person in other people's text are found in two steps. SQL picks
// the rows whose text may hold an identity, by a condition that is wider than
// what is meant and that an index can serve; internal/mentions then says where
// in the text the person stands, if at all. So there is one rule for what a
// mention is, and no text but that of such rows travels.

const (
	// mentionWindow is how many blocks of 8 kB one statement of a search reads: 16 MB.
	mentionWindow = 2048
	// mentionsByIndex bounds the rows that one indexed statement brings. With
	// more the index tells little, and the heap is read piece by piece.
	mentionsByIndex = 5_000
)

// SearchMentions goes on with a search from where the last piece ended ("" to
// start): one statement where a trigram index (pg_trgm) serves every identity,
// else the next range of the heap. It locks nothing. A full-text index is not
// used: its parser cuts text into words of its own making, and would miss
// addresses and numbers that a reader sees.
func (s *Source) SearchMentions(ctx context.Context, m source.Mentions, from string) (slice source.MentionSlice, err error) {
	defer func() { err = s.failed("search "+m.Field.Field.FullName()+" for mentions", err) }()
	if m.Field.Why != "" {
		return source.MentionSlice{Skipped: m.Field.Why}, nil
	}
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		own, err := s.reached(ctx, conn, source.Selection{Collection: m.Field.Field.Collection, Holds: m.Own})
		if err != nil {
			return err
		}
		w, err := spelt(ctx, conn, source.Walk{Seeds: m.Needles})
		if err != nil {
			return err
		}
		m.Needles = w.Seeds
		return s.inTx(ctx, conn, "begin isolation level read committed read only", func(tx pgx.Tx) error {
			q, err := s.mentioning(ctx, tx, m, false)
			if err != nil {
				return err
			}
			if q.skipped != "" {
				slice.Skipped = q.skipped
				return nil
			}
			q.own = own[m.Field.Field.Collection.FullName()]
			slice, err = q.piece(ctx, tx, from)
			return err
		})
	})
	return slice, err
}

// mentioning is one search put together for its table.
type mentioning struct {
	m       source.Mentions
	cat     *catalogue
	t       *table
	c       *column
	at      *stop // for its key
	by      trigrams
	finder  *mentions.Finder
	own     []string // keys of rows that are the person's own
	args    []any
	skipped string
}

// A textRead is what the search of a column rests on.
type textRead struct {
	cat *catalogue
	by  trigrams
	at  time.Time
}

// textRead reads the catalogue, or takes what was read while it is fresh.
func (s *Source) textRead(ctx context.Context, tx pgx.Tx, f *datamap.Field, collections []*datamap.Collection, anew bool) (textRead, error) {
	s.mu.Lock()
	known := s.texts[f]
	s.mu.Unlock()
	if !anew && known.cat != nil && s.o.Now().Sub(known.at) < catalogueLife {
		return known, nil
	}
	cat, err := readCatalogue(ctx, tx, collections)
	if err != nil {
		return known, err
	}
	known = textRead{cat: cat}
	if t := cat.table(f.Collection); t != nil && t.columns[f.Name] != nil {
		if known.by, err = (&mentioning{t: t, c: t.columns[f.Name]}).trigrams(ctx, tx); err != nil {
			return known, err
		}
	}
	if s.o.Now != nil {
		known.at = s.o.Now()
		s.mu.Lock()
		s.texts[f] = known
		s.mu.Unlock()
	}
	return known, nil
}

// mentioning binds a search to its tables, for a change by a catalogue read anew.
func (s *Source) mentioning(ctx context.Context, tx pgx.Tx, m source.Mentions, fresh bool) (*mentioning, error) {
	f := m.Field.Field
	collections := []*datamap.Collection{f.Collection}
	for _, l := range m.Field.Path {
		collections = append(collections, l.To.Collection)
	}
	known, err := s.textRead(ctx, tx, f, collections, fresh)
	if err != nil {
		return nil, err
	}
	cat := known.cat
	q := &mentioning{m: m, cat: cat, t: cat.table(f.Collection), by: known.by}
	for _, c := range collections {
		if cat.table(c) == nil {
			return nil, &Unfit{Source: s.name, Reasons: []string{"there is no table " + c.FullName() + ", or it may not be seen"}}
		}
	}
	q.c = q.t.columns[f.Name]
	if q.c == nil {
		return nil, &Unfit{Source: s.name, Reasons: []string{"there is no column " + f.FullName()}}
	}
	if why := s.unsearchable(m.Field, q.t); why != "" {
		q.skipped = f.FullName() + " is not searched for mentions: " + why
		return q, nil
	}
	q.at = &stop{c: f.Collection, t: q.t}
	q.at.findKey()
	from := q.t
	for _, l := range m.Field.Path {
		to := cat.table(l.To.Collection)
		for _, p := range l.Pairs() {
			if from.columns[p.From.Name] == nil || to.columns[p.To.Name] == nil {
				return nil, &Unfit{Source: s.name, Reasons: []string{"there is no column " + p.From.FullName() + " or " + p.To.FullName()}}
			}
		}
		from = to
	}
	if name := m.Field.Controller; name != "" && from.columns[name] == nil {
		return nil, &Unfit{Source: s.name, Reasons: []string{"there is no column " + name + " that names the controller"}}
	}
	var needles []mentions.Needle
	for _, n := range m.Needles {
		needles = append(needles, mentions.Needle(n))
	}
	q.finder = mentions.New(needles)
	return q, nil
}

// unsearchable says why a column that is there is not searched; empty: it is.
func (s *Source) unsearchable(m datamap.MentionField, t *table) string {
	c, full := t.columns[m.Field.Name], m.Field.Collection.FullName()
	switch {
	case t.kind != "r" && t.kind != "p":
		return full + " is no table. Mark the column of the table behind it instead"
	case c.class == classJSON:
		return fmt.Sprintf("its type is %s, and a passage cannot be taken out of a document as out of a text. Keep what people write in a column of text", c.typ)
	case !c.class.textual():
		return fmt.Sprintf("its type is %s, which is no text", c.typ)
	case s.o.Shard && len(m.Path) > 0:
		return fmt.Sprintf("the rows that tell whose it is may lie in another shard. Give %s a column of its own that names the controller", full)
	}
	return (&stop{c: m.Field.Collection, t: t}).findKey()
}

func (q *mentioning) bind(v any, typ string) string {
	q.args = append(q.args, v)
	return "$" + itoa(len(q.args)) + "::" + typ
}

// scope is the condition that a row is the controller's: by its own column, or
// by that of the row to which its references lead.
func (q *mentioning) scope() string {
	if q.m.Field.Controller == "" {
		return "true"
	}
	var at func(alias string, t *table, i int) string
	at = func(alias string, t *table, i int) string {
		if i == len(q.m.Field.Path) {
			c := t.columns[q.m.Field.Controller]
			if q.m.Scope == "" {
				return "false"
			}
			q.args = append(q.args, c.class.only([]string{q.m.Scope}))
			return c.compared(col(alias, c.name)) + " = ANY(" + c.array("$"+itoa(len(q.args))) + ")"
		}
		l := q.m.Field.Path[i]
		to, next := q.cat.table(l.To.Collection), "p"+itoa(i)
		var where []string
		for _, p := range l.Pairs() {
			a, b := t.columns[p.From.Name], to.columns[p.To.Name]
			where = append(where, to.equal(a, b, col(next, b.name), convert(a, b, col(alias, a.name))))
		}
		return "EXISTS (SELECT 1 FROM " + to.ident() + " AS " + next + " WHERE " + all(append(where, at(next, to, i+1))) + ")"
	}
	return at("t", q.t, 0)
}

// isKey is the condition that a row is one of these keys. Rows of a table without
// a key are known by their text: their place is another row's after a VACUUM, and
// all that they hold changes with each column. Those of one text are one mention.
func (q *mentioning) isKey(keys []string) string {
	if q.at.nameless {
		before := len(q.args)
		holding, ok := q.holding(q.by)
		if !ok {
			q.args = q.args[:before]
			holding, _ = q.holding(trigrams{})
		}
		return "(" + holding + " AND encode(sha256(convert_to(" + q.text() + ", 'UTF8')), 'hex') = ANY(" + q.bind(keys, "text[]") + "))"
	}
	if len(q.at.key) == 1 {
		c := q.t.columns[q.at.key[0]]
		q.args = append(q.args, c.class.only(keys))
		return c.compared(col("t", c.name)) + " = ANY(" + c.array("$"+itoa(len(q.args))) + ")"
	}
	return keyText(cols("t", q.at.key)) + " = ANY(" + q.bind(keys, "text[]") + ")"
}

func (q *mentioning) text() string { return q.c.legible(col("t", q.c.name) + "::text") }

var likeSigns = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// may is the condition that a text may hold an identity; by says what indexes
// know of the column. A telephone number's digits stand apart in too many ways
// for an index of the text: it takes one of the digits alone.
func (q *mentioning) may(n source.Seed, by trigrams) (condition string, ok bool) {
	like := func(left, how, v string) string {
		return left + " " + how + " " + q.bind("%"+likeSigns.Replace(v)+"%", "text")
	}
	low := "lower(" + q.text() + ")"
	switch n.Type {
	case datamap.Phone:
		_, national := mentions.Dialled(n.Value)
		apart := q.text() + " ~ " + q.bind(strings.Join(strings.Split(national, ""), "[^0-9]{0,3}"), "text")
		if !by.digits {
			return apart, by.words == trigramNone
		}
		return "(" + like(digitsOf(q.text()), "LIKE", national) + " AND " + apart + ")", true
	case datamap.Email:
		if by.words == trigramNone && by.digits {
			return "", false
		}
		left, how := low, "LIKE"
		if by.words == trigramPlain {
			left, how = q.text(), "ILIKE"
		}
		var ways []string
		for _, v := range foldings(n.Value) {
			ways = append(ways, like(left, how, v))
		}
		return "(" + strings.Join(ways, " OR ") + ")", true
	}
	v := strings.TrimSpace(n.Value)
	if by.words == trigramLower {
		// lower() of Postgres and of Go may differ outside of ASCII.
		if strings.ContainsFunc(v, func(r rune) bool { return r > 127 }) {
			return "", false
		}
		return like(low, "LIKE", strings.ToLower(v)), true
	}
	return like(q.text(), "LIKE", v), by.words != trigramNone || !by.digits
}

// holding is the condition over all identities; ok is false where the index cannot serve it.
func (q *mentioning) holding(by trigrams) (string, bool) {
	var ways []string
	for _, n := range q.m.Needles {
		if !mentions.Searchable(mentions.Needle(n)) {
			continue
		}
		one, ok := q.may(n, by)
		if !ok {
			return "", false
		}
		ways = append(ways, one)
	}
	if len(ways) == 0 {
		return "false", true
	}
	return "(" + strings.Join(ways, " OR ") + ")", true
}

// trigrams are the indexes of pg_trgm that stand on a column.
type trigrams struct {
	words  trigram
	digits bool // one on digitsOf it
}

// trigram says over which spelling of the column a trigram index stands.
type trigram int

const (
	trigramNone trigram = iota
	trigramPlain
	trigramLower
)

// trigrams looks for the indexes of pg_trgm on the column.
func (q *mentioning) trigrams(ctx context.Context, tx pgx.Tx) (best trigrams, err error) {
	rows, err := tx.Query(ctx, `
		SELECT coalesce(a.attname::text, ''), coalesce(pg_get_indexdef(x.indexrelid, k.i::int, true), '')
		FROM pg_index x
		CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indclass::oid[]) WITH ORDINALITY AS k(num, class, i)
		JOIN pg_opclass o ON o.oid = k.class
		LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.num AND k.num > 0
		WHERE x.indrelid = $1 AND x.indisvalid AND x.indislive AND x.indpred IS NULL AND o.opcname IN ('gin_trgm_ops', 'gist_trgm_ops')`, q.t.oid)
	if err != nil {
		return best, err
	}
	column := pgx.Identifier{q.c.name}.Sanitize()
	var name, expression string
	_, err = pgx.ForEachRow(rows, []any{&name, &expression}, func() error {
		switch {
		case name == q.c.name:
			best.words = trigramPlain
		case name != "":
		case best.words == trigramNone && plain(expression) == plain("lower("+column+")"):
			best.words = trigramLower
		case plain(expression) == plain(digitsOf(column)):
			best.digits = true
		}
		return nil
	})
	return best, err
}

// piece carries out one statement of the search.
func (q *mentioning) piece(ctx context.Context, tx pgx.Tx, from string) (source.MentionSlice, error) {
	if from == "" {
		found, done, err := q.byIndex(ctx, tx)
		if err != nil || done {
			return source.MentionSlice{Found: found}, err
		}
	}
	if _, err := tx.Exec(ctx, "set local plan_cache_mode = force_custom_plan"); err != nil {
		return source.MentionSlice{}, err
	}
	begin, end, err := q.blocks(ctx, tx, from)
	if err != nil {
		return source.MentionSlice{}, err
	}
	q.args = nil
	to := min(begin+mentionWindow, end)
	holding, _ := q.holding(trigrams{})
	within, next := "t.ctid >= "+q.bind(tid(begin), "tid"), ""
	if to < end { // as a sweep has it, see heapSlice
		within, next = within+" AND t.ctid < "+q.bind(tid(to), "tid"), fmt.Sprintf("%d:%d", to, end)
	}
	found, _, err := q.run(ctx, tx, within+" AND "+holding, 0)
	return source.MentionSlice{Found: found, Next: next}, err
}

// byIndex is the whole search in one statement, where an index serves it.
func (q *mentioning) byIndex(ctx context.Context, tx pgx.Tx) (found []source.Mention, done bool, err error) {
	if q.by == (trigrams{}) {
		return nil, false, nil
	}
	holding, ok := q.holding(q.by)
	if !ok {
		return nil, false, nil
	}
	// The planner may believe that reading a small table is as good; it must not
	// believe so of a large one.
	if _, err := tx.Exec(ctx, "set local enable_seqscan = off"); err != nil {
		return nil, false, err
	}
	found, rows, err := q.run(ctx, tx, holding, mentionsByIndex)
	if err != nil || rows < mentionsByIndex {
		return found, true, err
	}
	if _, err := tx.Exec(ctx, "set local enable_seqscan = on"); err != nil {
		return nil, false, err
	}
	return nil, false, nil
}

// blocks reads a position, or begins with the table's size (of a partitioned
// one, that of its largest partition).
func (q *mentioning) blocks(ctx context.Context, tx pgx.Tx, from string) (begin, end int64, err error) {
	if from == "" {
		e := &expiring{t: q.t}
		end, err = e.blocks(ctx, tx)
		return 0, end, err
	}
	a, b, ok := strings.Cut(from, ":")
	if begin, err = strconv.ParseInt(a, 10, 64); err == nil && ok {
		end, err = strconv.ParseInt(b, 10, 64)
	}
	if err != nil || !ok {
		return 0, 0, errors.New("a position that cannot be read")
	}
	return begin, end, nil
}

// run reads the rows that a condition picks, one text at a time, and keeps those
// in which the person really stands.
func (q *mentioning) run(ctx context.Context, tx pgx.Tx, condition string, limit int) (found []source.Mention, read int, err error) {
	where := []string{condition, q.scope()}
	if len(q.own) > 0 && q.at.nameless {
		where = append(where, rowText("t")+" <> ALL("+q.bind(q.own, "text[]")+")")
	} else if len(q.own) > 0 {
		where = append(where, "NOT ("+q.isKey(q.own)+")")
	}
	sql := "SELECT " + keyText(cols("t", q.at.key)) + ", " + q.text() + " FROM " + q.t.ident() + " AS t WHERE " + all(where)
	if limit > 0 {
		sql += " LIMIT " + itoa(limit)
	}
	rows, err := tx.Query(ctx, sql, q.args...)
	if err != nil {
		return nil, 0, err
	}
	var key, text string
	_, err = pgx.ForEachRow(rows, []any{&key, &text}, func() error {
		read++
		if l := q.look(key, text); l.Passages > 0 {
			found = append(found, l.Mention)
		}
		return nil
	})
	return found, read, err
}

// A looked is what one look at a row's text tells. The text may be long, so one has to do.
type looked struct {
	source.Mention
	spans []mentions.Span
	left  string // the text without the passages
}

func (q *mentioning) look(key, text string) looked {
	left, spans := q.finder.Take(text)
	sum, after := sha256.Sum256([]byte(text)), sha256.Sum256([]byte(left))
	if q.at.nameless {
		key = hex.EncodeToString(sum[:])
	}
	return looked{source.Mention{Key: key, Passages: len(spans), Sum: sum[:], After: after[:]}, spans, left}
}

// ReadMention reads the text of one row, for the eyes of whoever has to decide.
// found is false where the row is gone, or is not the controller's.
func (s *Source) ReadMention(ctx context.Context, m source.Mentions, key string) (read source.MentionText, found bool, err error) {
	defer func() { err = s.failed("read a mention in "+m.Field.Field.FullName(), err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		return s.inTx(ctx, conn, looking, func(tx pgx.Tx) error {
			q, err := s.mentioning(ctx, tx, m, false)
			if err != nil || q.skipped != "" {
				return err
			}
			text, ok, err := q.row(ctx, tx, key, "")
			if err != nil || !ok {
				return err
			}
			l := q.look(key, text)
			read, found = source.MentionText{Mention: l.Mention, Text: text}, true
			for _, sp := range l.spans {
				read.Spans = append(read.Spans, [2]int{sp.From, sp.To})
			}
			return nil
		})
	})
	return read, found, err
}

// row reads the text of the row with a key. NULL counts as no row: nobody stands in it.
func (q *mentioning) row(ctx context.Context, tx pgx.Tx, key, lock string) (text string, ok bool, err error) {
	q.args = nil
	var value *string
	err = tx.QueryRow(ctx, "SELECT "+q.text()+" FROM "+q.t.ident()+" AS t WHERE "+all([]string{q.isKey([]string{key}), q.scope()})+lock, q.args...).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil || value == nil {
		return "", err == nil, err
	}
	return *value, true, nil
}

// passing are SQLSTATEs that say nothing of the change itself: lost connections,
// deadlocks, timeouts, a server that takes no writes. Trying again may help. By
// any other the database forbids the change: constraints, values that do not fit,
// rights, and whatever code a trigger raises.
var passing = regexp.MustCompile(`^(0|25|26|28|3D|40|53|55006|55P03|57|58|F0|XX)`)

func sorted(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
