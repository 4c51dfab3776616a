package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Under row-level security a role sees a part of a table and is not told so.
// What is hidden is neither found nor erased; check says where that may be. But
// foreign keys act on hidden rows, too: ON DELETE CASCADE takes them with their
// parent, and nobody could count them beforehand. Such erasures are refused.

// hides is the condition, in SQL, that row-level security may hide rows of a
// table (its oid) from the role: it applies, and no policy shows the role all rows.
func hides(oid string) string {
	mine := "(0 = ANY (y.polroles) OR EXISTS (SELECT FROM unnest(y.polroles) AS role WHERE CASE role WHEN 0 THEN true ELSE pg_has_role(role, 'USAGE') END))"
	return `(row_security_active(` + oid + `)
		AND (NOT EXISTS (SELECT FROM pg_policy y WHERE y.polrelid = ` + oid + ` AND y.polcmd IN ('*', 'r') AND y.polpermissive
		                   AND pg_get_expr(y.polqual, y.polrelid) = 'true' AND ` + mine + `)
		  OR EXISTS (SELECT FROM pg_policy y WHERE y.polrelid = ` + oid + ` AND y.polcmd IN ('*', 'r') AND NOT y.polpermissive AND ` + mine + `)))`
}

const showAll = "ALTER ROLE … BYPASSRLS, or a policy that shows the role all rows (USING (true))"

// unseen are the reasons, as sentences, why rows of the stop cannot be deleted:
// hidden rows could go with them.
func (s *stop) unseen(cat *catalogue) (reasons []string) {
	if !s.visit.Delete {
		return nil
	}
	for _, k := range s.t.children {
		if k.takes() && k.hidden {
			child := cat.tables[k.child]
			reasons = append(reasons, fmt.Sprintf("row-level security hides rows of %s.%s from the role, and the foreign key %s would change them, unseen, when rows of %s are deleted: %s",
				child.schema, child.name, k.name, s.c.FullName(), showAll))
		}
	}
	return reasons
}

// hidden looks for row-level security, under which a walk would miss rows in silence.
func (k *checking) hidden(ctx context.Context, conn *pgxpool.Conn) error {
	rows, err := conn.Query(ctx, `SELECT w.name FROM unnest($1::text[]) AS w(name) WHERE `+hides("to_regclass(w.name)::oid"), k.names())
	if err != nil {
		return fmt.Errorf("ask for row security: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("ask for row security: %w", err)
	}
	for _, n := range names {
		k.say(Doubtful, k.s.name, "row-level security hides rows of "+n+" from the role: what is hidden is neither found nor erased", showAll)
	}
	return nil
}

// deletesUnseen tells where an erasure will be refused because hidden rows could go with what is deleted.
func (k *checking) deletesUnseen(at *stop) {
	for _, reason := range at.unseen(k.cat) {
		sentence, _ := strings.CutSuffix(reason, ": "+showAll)
		k.say(Wrong, at.c.FullName(), "an erasure fails here: "+sentence, showAll)
	}
}
