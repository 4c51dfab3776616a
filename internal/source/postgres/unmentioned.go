package postgres

import (
	"context"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mentions"
	"github.com/lethe-dsr/lethe/internal/source"
)

// unmentionedRows is how many texts one search for many people brings: each is
// read for each of them. With more, half of the people are searched for at a time.
const unmentionedRows = 100

// Unmentioned tells of which people it is certain that they stand in no row's
// text: then nothing has to be searched for them, nor has it to be asked which
// rows are their own. Of the others nothing is said. Those whose column and
// controller are the same are searched for by one statement, where a trigram index
// serves it.
func (s *Source) Unmentioned(ctx context.Context, all []source.Mentions) []bool {
	type kind struct {
		field *datamap.Field
		scope string
	}
	nowhere := make([]bool, len(all))
	groups := map[kind][]int{}
	for i, m := range all {
		if m.Field.Why == "" {
			k := kind{m.Field.Field, m.Scope}
			groups[k] = append(groups[k], i)
		}
	}
	for _, of := range groups {
		_ = s.on(ctx, func(conn *pgxpool.Conn) error { // a search for each says what is wrong
			return s.inTx(ctx, conn, looking, func(tx pgx.Tx) error {
				q, err := s.mentioning(ctx, tx, source.Mentions{Field: all[of[0]].Field, Scope: all[of[0]].Scope}, false)
				if err != nil || q.skipped != "" || q.by == (trigrams{}) {
					return err
				}
				if _, err := tx.Exec(ctx, "set local enable_seqscan = off"); err != nil { // as byIndex
					return err
				}
				return q.unmentioned(ctx, tx, all, of, false, nowhere)
			})
		})
	}
	return nowhere
}

// unmentioned searches for some of the people. At first addresses are looked for
// without their domains (whole: with them): a domain is in so many texts that the
// index takes twenty times as long for it.
func (q *mentioning) unmentioned(ctx context.Context, tx pgx.Tx, all []source.Mentions, of []int, whole bool, nowhere []bool) error {
	sought := soughtTexts{whole: whole}
	var served []int
	for _, i := range of {
		if sought.add(all[i].Needles, q.by) {
			served = append(served, i)
		}
	}
	if len(served) == 0 {
		return nil
	}
	texts, err := q.holdingAny(ctx, tx, sought)
	switch {
	case err != nil:
		return err
	case len(texts) < unmentionedRows:
		for _, i := range served {
			nowhere[i] = !stands(all[i].Needles, texts)
		}
		return nil
	case !whole:
		return q.unmentioned(ctx, tx, all, served, true, nowhere)
	case len(served) == 1:
		return nil
	}
	if err := q.unmentioned(ctx, tx, all, served[:len(served)/2], true, nowhere); err != nil {
		return err
	}
	return q.unmentioned(ctx, tx, all, served[len(served)/2:], true, nowhere)
}

// stands tells whether a person stands in one of the texts.
func stands(needles []source.Seed, texts []string) bool {
	if len(texts) == 0 {
		return false
	}
	list := make([]mentions.Needle, len(needles))
	for i, n := range needles {
		list[i] = mentions.Needle(n)
	}
	finder := mentions.New(list)
	for _, text := range texts {
		if len(finder.Spans(text)) > 0 {
			return true
		}
	}
	return false
}

// soughtTexts are the patterns of many identities, by how an index serves them.
type soughtTexts struct {
	whole                        bool // addresses with their domains
	lower, folded, exact, digits []string
}

// add takes in the identities of one person, as may has them; false, and none of
// them, where the indexes do not serve all.
func (t *soughtTexts) add(needles []source.Seed, by trigrams) bool {
	more := *t
	like := func(v string) string { return "%" + likeSigns.Replace(v) + "%" }
	for _, n := range needles {
		if !mentions.Searchable(mentions.Needle(n)) {
			continue
		}
		v := strings.TrimSpace(n.Value)
		switch {
		case n.Type == datamap.Phone && by.digits:
			_, national := mentions.Dialled(n.Value)
			more.digits = append(more.digits, like(national))
		case n.Type == datamap.Phone || by.words == trigramNone:
			return false
		case n.Type == datamap.Email && by.words == trigramPlain:
			for _, v := range foldings(n.Value) {
				more.folded = append(more.folded, like(t.address(v)))
			}
		case n.Type == datamap.Email:
			for _, v := range foldings(n.Value) {
				more.lower = append(more.lower, like(t.address(v)))
			}
		case by.words == trigramPlain:
			more.exact = append(more.exact, like(v))
		case strings.ContainsFunc(v, func(r rune) bool { return r > 127 }):
			return false
		default:
			more.lower = append(more.lower, like(strings.ToLower(v)))
		}
	}
	*t = more
	return true
}

// telling is from how many letters and digits on a name before the @ tells enough.
const telling = 6

// address is what is looked for of an address.
func (t *soughtTexts) address(v string) string {
	at := strings.LastIndexByte(v, '@')
	letters := 0
	for _, r := range v[:max(at, 0)] {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			letters++
		}
	}
	if t.whole || letters < telling {
		return v
	}
	return v[:at+1]
}

// holdingAny brings the texts that may hold one of the identities, so many at
// most. The statement is the same for any number of them.
func (q *mentioning) holdingAny(ctx context.Context, tx pgx.Tx, sought soughtTexts) ([]string, error) {
	q.args = nil
	among := func(left, how string, patterns []string) string {
		return left + " " + how + " ANY(" + q.bind(append([]string{}, patterns...), "text[]") + ")"
	}
	var ways []string
	switch q.by.words {
	case trigramPlain:
		ways = append(ways, among(q.text(), "ILIKE", sought.folded), among(q.text(), "LIKE", sought.exact))
	case trigramLower:
		ways = append(ways, among("lower("+q.text()+")", "LIKE", sought.lower))
	}
	if q.by.digits {
		ways = append(ways, among(digitsOf(q.text()), "LIKE", sought.digits))
	}
	// Postgres takes so many patterns for so many rows that it would sooner begin
	// with the controller's: OFFSET 0 makes it begin with the texts.
	rows, err := tx.Query(ctx, "SELECT "+q.text()+" FROM (SELECT t.* FROM "+q.t.ident()+" AS t WHERE "+strings.Join(ways, " OR ")+" OFFSET 0) AS t WHERE "+q.scope()+
		" LIMIT "+itoa(unmentionedRows), q.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
