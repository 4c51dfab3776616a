package sample

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Counts is the number of rows by table.
type Counts map[string]int64

// Count counts the rows of a loaded shop.
func Count(ctx context.Context, pool *pgxpool.Pool) (Counts, error) {
	counts := Counts{}
	for _, t := range definition() {
		var n int64
		if err := pool.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{t.name}.Sanitize()).Scan(&n); err != nil {
			return nil, fmt.Errorf("sample: count %s: %w", t.name, pg.Clean(err))
		}
		counts[t.name] = n
	}
	return counts, nil
}

// Pick finds people for a demonstration in a loaded shop, whoever made it up: an
// address that stands once, a browser that nobody else used, visits, a
// conversation with messages. One per account in turn, those with most to show
// first, limit in all. Part and Controller stay empty.
func Pick(ctx context.Context, pool *pgxpool.Pool, limit int) ([]Person, error) {
	rows, err := pool.Query(ctx, `
		WITH fit AS (
			SELECT c.id, c.account_id, c.name, c.surname, c.email, c.phone,
			       (SELECT count(*) FROM messages m JOIN conversations k ON k.id = m.conversation_id WHERE k.contact_id = c.id) AS messages,
			       (SELECT count(*) FROM visits v JOIN visitors w ON w.id = v.visitor_id WHERE w.contact_id = c.id) AS visits
			FROM contacts c
			WHERE c.email <> '' AND (SELECT count(*) FROM contacts o WHERE lower(o.email) = lower(c.email)) = 1
			  AND NOT EXISTS (SELECT 1 FROM visitors w JOIN conversations k ON k.visitor_id = w.id
			                  WHERE w.contact_id = c.id AND k.contact_id IS DISTINCT FROM c.id)
			  AND NOT EXISTS (SELECT 1 FROM conversations k JOIN visitors w ON w.id = k.visitor_id
			                  WHERE k.contact_id = c.id AND w.contact_id IS DISTINCT FROM c.id)
		), ranked AS (
			SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY messages + visits DESC, id) AS place
			FROM fit WHERE messages > 0 AND visits > 0
		)
		SELECT id, account_id::text, coalesce(name, ''), coalesce(surname, ''), email, coalesce(phone, '')
		FROM ranked ORDER BY place, account_id LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("sample: pick people: %w", pg.Clean(err))
	}
	people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Person, err error) {
		err = row.Scan(&p.Contact, &p.Scope, &p.Name, &p.Surname, &p.Email, &p.Phone)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("sample: pick people: %w", pg.Clean(err))
	}
	return people, nil
}
