package sample

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// A Person of the shop whom the demo sends through a request.
type Person struct {
	Account string // accounts.id
	Email   string
}

// People picks people for a demonstration: an address that stands once, a
// browser that nobody else used, visits, a conversation with messages; one per
// account in turn, those with most to show first.
func People(ctx context.Context, pool *pgxpool.Pool) ([]Person, error) {
	rows, err := pool.Query(ctx, `
		WITH fit AS (
			SELECT c.id, c.account_id, c.email,
			       (SELECT count(*) FROM messages m JOIN conversations k ON k.id = m.conversation_id WHERE k.contact_id = c.id) AS messages,
			       (SELECT count(*) FROM visits v JOIN visitors w ON w.id = v.visitor_id WHERE w.contact_id = c.id) AS visits
			FROM contacts c
			WHERE c.email <> '' AND (SELECT count(*) FROM contacts o WHERE lower(o.email) = lower(c.email)) = 1
			  AND NOT EXISTS (SELECT 1 FROM visitors w JOIN conversations k ON k.visitor_id = w.id
			                  WHERE w.contact_id = c.id AND k.contact_id IS DISTINCT FROM c.id)
		), ranked AS (
			SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY messages + visits DESC, id) AS place
			FROM fit WHERE messages > 0 AND visits > 0
		)
		SELECT account_id::text, email FROM ranked ORDER BY place, account_id LIMIT 9`)
	if err != nil {
		return nil, fmt.Errorf("pick people: %w", pg.Clean(err))
	}
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Person])
	if err != nil {
		return nil, fmt.Errorf("pick people: %w", pg.Clean(err))
	}
	return people, nil
}
