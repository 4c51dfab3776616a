package postgres_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// chats is the live-chat example, whose rows name files and have owners; a
// pending conversation is kept by a law.
func chats(t *testing.T) (schema string, m *datamap.Map) {
	t.Helper()
	sql, err := os.ReadFile("../../../examples/livechat/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := os.ReadFile("../../../examples/livechat/datamap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before := "lethe: {controller: account_id, owner: contact_id, order: [created_at, id], origin: given by the person in the chat box}"
	if strings.Count(string(yaml), before) != 1 {
		t.Fatal("expected the example's conversations as they were")
	}
	return string(sql), mapOf(t, strings.Replace(string(yaml), before,
		before[:len(before)-1]+", keep: [{where: {status: [pending]}, because: a lawsuit, mask: [location_ip]}, {where: {status: [closed]}, for: P10Y, from: created_at, because: tax law}]}", 1))
}

// drawChats are the rows of a few people with few values, so that they meet.
func drawChats(rt *rapid.T) string {
	var sql strings.Builder
	n := func(most int, label string) int { return rapid.IntRange(0, most).Draw(rt, label) }
	or := func(most int, label, format string) string {
		if i := n(most+1, label); i <= most {
			return fmt.Sprintf(format, i)
		}
		return "NULL"
	}
	sql.WriteString(`TRUNCATE accounts CASCADE; INSERT INTO accounts SELECT g, 'shop', 'shop.example', 'key' || g, 'CZ' FROM generate_series(1, 2) g;`)
	for i := range 5 {
		fmt.Fprintf(&sql, "INSERT INTO contacts (id, account_id, created_at, updated_at, name, email, phone, properties) VALUES (%d, %d, now(), now(), %s, %s, %s, '{\"a\":1}');",
			i, 1+n(4, "account")/4, or(2, "name", "'name%d'"), or(3, "email", "'A%d@x.example'"), or(1, "phone", "'+420 777 000 00%d'"))
	}
	for i := range 4 {
		fmt.Fprintf(&sql, "INSERT INTO visitors (id, account_id, contact_id, created_at, updated_at) VALUES ('v%d', 1, %s, now(), now());", i, or(4, "of", "%d"))
	}
	for i := range n(6, "visits") {
		fmt.Fprintf(&sql, "INSERT INTO visits (id, account_id, visitor_id, visited_at, ip) VALUES (%d, 1, %s, now(), '10.0.0.1');", i, or(3, "by", "'v%d'"))
		fmt.Fprintf(&sql, "INSERT INTO consents VALUES (%d, 'v%d', 'c', now());", i, n(3, "consent"))
	}
	for i := range 1 + n(6, "conversations") {
		status := []string{"open", "open", "open", "pending", "closed"}[n(4, "status")]
		at := []string{"now()", "'2000-01-01'"}[n(1, "when")]
		fmt.Fprintf(&sql, "INSERT INTO conversations (id, account_id, contact_id, visitor_id, status, created_at, updated_at, domain, location_ip) VALUES ('k%d', 1, %s, %s, '%s', %s, now(), 'd', '10.0.0.2');",
			i, or(4, "with", "%d"), or(3, "in", "'v%d'"), status, at)
		for j := range n(2, "messages") {
			fmt.Fprintf(&sql, "INSERT INTO messages (id, conversation_id, type, sub_type, created_at, content_text) VALUES (%d, 'k%d', 't', 'contact', now(), 'hello');", i*10+j, i)
			if f := n(2, "file"); f > 0 {
				fmt.Fprintf(&sql, "INSERT INTO attachments (id, message_id, file_name, object_key) VALUES (%d, %d, 'f', %s);", i*10+j, i*10+j, []string{"NULL", fmt.Sprintf("'file/%d'", i*10+j)}[f-1])
			}
		}
	}
	return sql.String()
}

// dumpChats says what stands there, random letters without their letters.
func dumpChats(t *testing.T, pool *pgxpool.Pool) (all string) {
	t.Helper()
	for _, table := range []string{"contacts", "visitors", "visits", "consents", "conversations", "messages", "attachments"} {
		all += table + "\n" + text(t, pool, `SELECT coalesce(string_agg(regexp_replace(x::text, '[a-p]{30}', 'random'), E'\n' ORDER BY id), '') FROM (SELECT * FROM `+table+`) x`) + "\n"
	}
	return all
}

// TestPropertyBatchOfChats: with files, owners and keeps, too, a batch does what
// one after the other does, and many are found as each is.
func TestPropertyBatchOfChats(t *testing.T) {
	t.Parallel()
	schema, m := chats(t)
	now := func() time.Time { return time.Unix(0, 0) }
	together, single := pgtest.Empty(t), pgtest.Empty(t)
	pgtest.Exec(t, together, schema)
	pgtest.Exec(t, single, schema)
	batch, one := sourceOf(t, together, "livechat", postgres.Options{Now: now}), sourceOf(t, single, "livechat", postgres.Options{Now: now})
	ctx := t.Context()
	joint, files, found := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawChats(rt)
		pgtest.Exec(t, together, rows)
		pgtest.Exec(t, single, strings.ReplaceAll(rows, "now()", "'"+text(t, together, "SELECT max(updated_at) FROM contacts")+"'"))
		pgtest.Exec(t, together, strings.ReplaceAll(rows, "now()", "'"+text(t, together, "SELECT max(updated_at) FROM contacts")+"'"))
		restricted := rapid.Bool().Draw(rt, "restricted")
		var walks []source.Walk
		add := func(with ...string) {
			var types []string
			for i := 0; i < len(with); i += 2 {
				types = append(types, with[i])
			}
			w := source.Walk{Plan: planOf(t, m, datamap.Erasure, types...), Scope: "1", Seeds: seeds(with...), Restricted: restricted, Today: midnight("2026-11-23")}
			for i := range 5 {
				if restricted && rapid.IntRange(0, 3).Draw(rt, "ticked") > 0 {
					w.Roots = append(w.Roots, source.RowKey{Collection: "livechat.contacts", Key: fmt.Sprint(i)}, source.RowKey{Collection: "livechat.visitors", Key: fmt.Sprint("v", i)})
				}
			}
			walks = append(walks, w)
		}
		for i := range 4 {
			add("email", fmt.Sprintf("a%d@x.example", i))
		}
		add("email", "a1@x.example", "phone", "+420777000000")
		add("email", "nobody@x.example", "phone", "+420777000001")
		for i := range 3 {
			add("visitor", fmt.Sprint("v", i))
		}
		samePlans(walks)
		found += alikeFound(rt, batch, walks)
		var order []int
		done := batch.EraseBatch(ctx, walks, source.Holds{}, func(_ context.Context, of []int, notes []source.Note) error {
			if len(of) > 1 {
				joint += len(of)
				for _, n := range notes {
					files += len(n.Objects)
				}
			}
			order = append(order, of...)
			return nil
		})
		keys := make([][]source.RowKey, len(walks))
		for _, i := range order {
			if done[i].Err != nil {
				rt.Fatalf("walk %d: %v", i, done[i].Err)
			}
			alone, err := one.Erase(ctx, walks[i], source.Holds{}, noNote)
			if err != nil {
				rt.Fatalf("erase: %v", err)
			}
			got := done[i].Note
			keys[i] = got.Keys
			if !slices.Equal(got.Findings, alone.Findings) || !slices.Equal(got.Objects, alone.Objects) || !reflect.DeepEqual(got.Kept, alone.Kept) ||
				!slices.Equal(sortedKeys(got.Keys), sortedKeys(alone.Keys)) {
				rt.Fatalf("expected walk %d (of %v) to do the same in a batch and alone:\n%+v\n%+v", i, order, got, alone)
			}
		}
		if len(order) != len(walks) {
			rt.Fatalf("expected every walk to be noted once, got %v", order)
		}
		if a, b := dumpChats(t, together), dumpChats(t, single); a != b {
			rt.Fatalf("expected the same tables after a batch (order %v) as one by one:\n%s\n%s", order, a, b)
		}
		if err := goneOnly(ctx, batch, walks, source.Holds{}, keys); err != nil {
			rt.Fatal(err)
		}
	})
	if joint == 0 || files == 0 || found == 0 {
		t.Errorf("expected some walks to have been found and erased together, some with files, got %d, %d and %d", found, joint, files)
	}
}

// samePlans gives walks of one set of identities one plan, as the service does.
func samePlans(walks []source.Walk) {
	plans := map[string]*datamap.Plan{}
	for i, w := range walks {
		if p := plans[w.Plan.Digest]; p != nil {
			walks[i].Plan = p
		}
		plans[w.Plan.Digest] = walks[i].Plan
	}
}

// alikeFound holds what is found for many to what is found for each, and says
// how many that was.
func alikeFound(tb interface{ Fatalf(string, ...any) }, s *postgres.Source, walks []source.Walk) (n int) {
	for i, got := range s.FindMany(context.Background(), walks) {
		if got == nil {
			continue
		}
		n++
		want, err := s.Find(context.Background(), walks[i])
		if err != nil {
			tb.Fatalf("find: %v", err)
			return n
		}
		if !slices.Equal(got.Findings, want.Findings) || !slices.Equal(got.Reached, want.Reached) || len(want.Braked) > 0 || len(got.Roots) != len(want.Roots) {
			tb.Fatalf("expected walk %d to find the same among many and alone:\n%+v\n%+v", i, *got, want)
			return n
		}
		for j, r := range got.Roots {
			if !reflect.DeepEqual(r, want.Roots[j]) {
				tb.Fatalf("expected walk %d to match the same rows among many and alone:\n%+v\n%+v", i, got.Roots, want.Roots)
			}
		}
	}
	return n
}
