// Package sample makes up the demo's shops: three controllers, their customers,
// what these looked at, wrote and agreed to. Everything is invented, and the same
// seed and day give the same rows: telephone numbers are of the ranges that
// regulators keep for fiction, mail addresses end in example.org and its sisters
// (RFC 2606), IP addresses lie in 198.18.0.0/15 (RFC 2544).
//
// It also loads CSV files of the same shape (csv.go). This is the only package
// whose code names tables and columns of the example.
//
// Open shop.go for how it is put together, people.go for those with a part to
// play, load.go for how rows get into a database.
package sample

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options of a shop; zero values stand for the defaults.
type Options struct {
	Contacts int // 640
	Visits   int // 10,000
}

// A Shop is a whole database, in memory.
type Shop struct {
	tables []table
	people []Person
}

// A table with its rows, parallel to columns.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

// definition is the tables in the order in which foreign keys let them be filled.
// examples/livechat/schema.sql has exactly these columns.
func definition() []table {
	return []table{
		{name: "accounts", columns: []string{"id", "name", "domain", "chat_key", "country"}},
		{name: "agents", columns: []string{"id", "account_id", "name", "email"}},
		{name: "contacts", columns: []string{"id", "account_id", "created_at", "updated_at", "name", "surname", "email", "phone", "social_account", "note", "gdpr_approved", "properties"}},
		{name: "visitors", columns: []string{"id", "account_id", "contact_id", "created_at", "updated_at", "visits", "user_agent", "browser", "browser_version", "os", "location_country", "location_country_code", "location_city"}},
		{name: "visits", columns: []string{"id", "account_id", "visitor_id", "visited_at", "page_url", "referrer", "ip", "user_agent", "screen", "location_country_code", "location_city"}},
		{name: "identifiers", columns: []string{"id", "account_id", "visitor_id", "name", "storage", "value", "issued_at", "last_seen_at"}},
		{name: "consents", columns: []string{"id", "visitor_id", "category", "granted_at", "withdrawn_at"}},
		{name: "conversations", columns: []string{"id", "account_id", "contact_id", "visitor_id", "status", "created_at", "updated_at", "assigned_agent_id", "rating_value", "domain", "location_country_code", "location_city", "location_ip"}},
		{name: "messages", columns: []string{"id", "conversation_id", "type", "sub_type", "agent_id", "content_text", "created_at", "page_url"}},
		{name: "attachments", columns: []string{"id", "message_id", "file_name", "file_type", "size", "object_key"}},
	}
}

// Count is how many rows a table has.
func (s *Shop) Count(name string) int {
	for _, t := range s.tables {
		if t.name == name {
			return len(t.rows)
		}
	}
	return 0
}

// Load fills the tables of examples/livechat/schema.sql, all or none.
func (s *Shop) Load(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, t := range s.tables {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
				return fmt.Errorf("load %s: %w", t.name, withoutContents(err))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sample: %w", withoutContents(err))
	}
	return analyse(ctx, pool)
}

// analyse gives the planner its statistics at once: autovacuum comes a minute later.
func analyse(ctx context.Context, pool *pgxpool.Pool) error {
	for _, t := range definition() {
		if _, err := pool.Exec(ctx, "ANALYZE "+pgx.Identifier{t.name}.Sanitize()); err != nil {
			return fmt.Errorf("sample: analyse %s: %w", t.name, withoutContents(err))
		}
	}
	return nil
}
