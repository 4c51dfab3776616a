package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// ChangeMention carries out what was decided about one mention, in one short
// transaction, if the text is still the one that was decided upon. It may be
// called again after a kill: a change that has happened is told as such.
func (s *Source) ChangeMention(ctx context.Context, c source.MentionChange) (out source.MentionOutcome, err error) {
	defer func() { err = s.failed("change a mention in "+c.Field.Field.FullName(), err) }()
	full := c.Field.Field.Collection.FullName()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		held, err := s.reached(ctx, conn, source.Selection{Collection: c.Field.Field.Collection, Holds: c.Holds.Walks})
		if err != nil {
			return err
		}
		for _, k := range c.Holds.Rows {
			if k.Collection == full && k.Key == "" {
				k.Key = c.Key
			}
			if k.Collection == full {
				held[full] = append(held[full], k.Key)
			}
		}
		if slices.Contains(held[full], c.Key) {
			out = refused(underHold)
			return nil
		}
		return s.inTx(ctx, conn, sweeping, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "set local plan_cache_mode = auto"); err != nil {
				return err
			}
			q, err := s.mentioning(ctx, tx, c.Mentions, true)
			if err != nil {
				return err
			}
			if q.skipped != "" {
				out = refused(titledSentence(q.skipped))
				return nil
			}
			if q.at.nameless {
				if held, err := q.names(ctx, tx, c.Key, held[full]); held || err != nil {
					out = refused(underHold)
					return err
				}
			}
			defer q.cat.firing(conn)
			out, err = q.change(ctx, tx, c)
			if err == nil && out.What == source.MentionRefused {
				return errRefused // what a trigger did meanwhile is undone
			}
			return err
		})
	})
	switch {
	case err == errRefused: //nolint:errorlint // our own, unwrapped
		return out, nil
	case pg.Code(err) != "" && !passing.MatchString(pg.Code(err)):
		return refused(fmt.Sprintf("The database refuses the change of %s (%s).", full, refusalOf(err))), nil
	}
	return out, err
}

const underHold = "The row stands under a legal hold."

// names tells whether a row without a key, which is known by its text here, is one
// of those that holds know by all that they hold.
func (q *mentioning) names(ctx context.Context, tx pgx.Tx, key string, rows []string) (found bool, err error) {
	if len(rows) == 0 {
		return false, nil
	}
	q.args = nil
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+q.t.ident()+" AS t WHERE "+q.isKey([]string{key})+" AND "+rowText("t")+" = ANY("+q.bind(rows, "text[]")+"))", q.args...).Scan(&found)
	return found, err
}

var errRefused = fmt.Errorf("refused")

func refused(why string) source.MentionOutcome {
	return source.MentionOutcome{What: source.MentionRefused, Why: why}
}

func refusalOf(err error) string {
	if name := pg.Constraint(err); name != "" {
		return name
	}
	return "SQLSTATE " + pg.Code(err)
}

func titledSentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

func (q *mentioning) change(ctx context.Context, tx pgx.Tx, c source.MentionChange) (source.MentionOutcome, error) {
	read, _, err := q.row(ctx, tx, c.Key, "")
	if err != nil {
		return source.MentionOutcome{}, err
	}
	now := q.look(c.Key, read) // before the lock: a long text takes its time
	text, there, err := q.row(ctx, tx, c.Key, " FOR UPDATE OF t")
	if err != nil {
		return source.MentionOutcome{}, err
	}
	if text != read {
		now = q.look(c.Key, text)
	}
	switch {
	case !there && c.Delete && !q.at.nameless: // without a key, its text may have been changed
		return source.MentionOutcome{What: source.MentionDeleted}, nil
	case !there:
		return source.MentionOutcome{What: source.MentionGone}, nil
	case !c.Delete && bytes.Equal(now.Sum, c.After):
		return source.MentionOutcome{What: source.MentionRedacted}, nil
	case now.Passages == 0:
		return source.MentionOutcome{What: source.MentionGone}, nil
	case !bytes.Equal(now.Sum, c.Sum):
		return source.MentionOutcome{What: source.MentionChanged, Now: now.Mention}, nil
	case c.Delete:
		return q.delete(ctx, tx, c.Key)
	case q.c.generated:
		return refused("The database makes this text of other columns: change those, delete the row, or leave it."), nil
	}
	want := now.left
	if n := q.c.length; n > 0 && utf8.RuneCountInString(want) > n {
		return refused(fmt.Sprintf("The column holds %d characters at most, and the text would be longer without the passage: delete the row, or leave it.", n)), nil
	}
	q.args = nil
	set := pgx.Identifier{q.c.name}.Sanitize() + " = " + q.bind(want, "text") + "::" + q.c.typ
	var got *string
	err = tx.QueryRow(ctx, "UPDATE "+q.t.ident()+" AS t SET "+set+" WHERE "+q.isKey([]string{c.Key})+" RETURNING "+q.text(), q.args...).Scan(&got)
	unchanged := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !unchanged {
		return source.MentionOutcome{}, err
	}
	if unchanged || got == nil || strings.TrimRight(*got, " ") != strings.TrimRight(want, " ") {
		return refused("A trigger of the table undoes the change."), nil
	}
	return source.MentionOutcome{What: source.MentionRedacted}, nil
}

// delete deletes one row that is somebody else's: that row and nothing more. Rows
// that reference it, whatever their foreign key would do, stop it, and so do
// files that it names, which nobody would find again.
func (q *mentioning) delete(ctx context.Context, tx pgx.Tx, key string) (source.MentionOutcome, error) {
	var others []string
	for _, k := range q.t.children {
		child := q.cat.tables[k.child]
		if k.takes() && q.cat.hides(k) {
			return refused(fmt.Sprintf("Rows of %s.%s that row-level security hides may reference this one, and would go with it: remove the passage instead.", child.schema, child.name)), nil
		}
		q.args = nil
		where := []string{q.isKey([]string{key})}
		for i, name := range k.columns {
			where = append(where, col("ch", name)+" = "+col("t", k.references[i]))
		}
		var found bool
		err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+q.t.ident()+" AS t, "+child.ident()+" AS ch WHERE "+all(where)+")", q.args...).Scan(&found)
		if err != nil {
			return source.MentionOutcome{}, err
		}
		if found {
			others = append(others, child.schema+"."+child.name)
		}
	}
	if len(others) > 0 {
		return refused(fmt.Sprintf("Rows of %s reference this one, and would go or hang in the air with it: remove the passage instead.", sorted(others))), nil
	}
	files := slices.DeleteFunc(slices.Clone(q.at.c.Fields), func(f *datamap.Field) bool { return f.Object == "" || q.t.columns[f.Name] == nil })
	for _, f := range files {
		q.args = nil // a blank text, or an empty array, names none
		var found bool
		err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+q.t.ident()+" AS t WHERE "+q.isKey([]string{key})+" AND btrim("+col("t", f.Name)+"::text, ' {}') <> '')", q.args...).Scan(&found)
		if err != nil {
			return source.MentionOutcome{}, err
		}
		if found {
			return refused("The row names a file in an object store, which would be left behind: remove the passage instead."), nil
		}
	}
	q.args = nil
	tag, err := tx.Exec(ctx, "DELETE FROM "+q.t.ident()+" AS t WHERE "+q.isKey([]string{key}), q.args...)
	switch {
	case err != nil:
		return source.MentionOutcome{}, err
	case tag.RowsAffected() == 0 || tag.RowsAffected() > 1 && !q.at.nameless:
		return refused("A trigger of the table keeps the row."), nil
	}
	return source.MentionOutcome{What: source.MentionDeleted}, nil
}
