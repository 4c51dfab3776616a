package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

func TestSnapshotValues(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TYPE mood AS ENUM ('good', 'bad');
		CREATE TABLE p (id uuid PRIMARY KEY, email text, n numeric, f float8, i smallint, b bool, j jsonb, ip inet, net cidr,
			ts timestamptz, tl timestamp, d date, a text[], m mood, raw bytea, never timestamptz, nan float8, nn numeric, none text);
		INSERT INTO p VALUES ('11111111-2222-3333-4444-555555555555', 'a@x.example', 12345678901234567890.10, 1.5, 7, true, '{"k": [1, null]}',
			'198.18.0.1', '198.18.0.0/15', '2026-03-29 03:30:00+02', '2026-01-02 03:04:05', '2026-02-28', ARRAY['x', NULL, '"'], 'bad', '\x00ff',
			'infinity', 'NaN', 'NaN', NULL);`)
	fields := ""
	for _, f := range []string{"n", "f", "i", "b", "j", "ip", "net", "ts", "tl", "d", "a", "m", "raw", "never", "nan", "nn", "none"} {
		fields += fmt.Sprintf("          - {name: %s, data_categories: [user.content]}\n", f)
	}
	m := mapOf(t, `
dataset:
  - fides_key: v
    lethe: {source: v, basis: f}
    collections:
      - name: p
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`+fields)
	s := sourceOf(t, pool, "v", postgres.Options{})
	snap, err := s.Snapshot(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context())
	got := map[string]any{}
	if err := snap.Rows(t.Context(), "v.p", func(r source.Row) error {
		for i, f := range r.Fields {
			got[f] = r.Values[i]
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	delete(got, "id")
	want := map[string]any{
		"email": "a@x.example", "n": json.Number("12345678901234567890.10"), "f": 1.5, "i": int64(7), "b": true,
		"j": json.RawMessage(`{"k": [1, null]}`), "ip": "198.18.0.1", "net": "198.18.0.0/15",
		"ts": time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC), "tl": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "d": "2026-02-28",
		"a": json.RawMessage(`["x",null,"\""]`), "m": "bad", "raw": `\x00ff`, "never": "infinity", "nan": "NaN", "nn": "NaN", "none": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected the values as an archive writes them (-want +got):\n%s", diff)
	}
}

func TestSnapshotGivesWhatItMay(t *testing.T) {
	t.Parallel()
	both(t, snapshotGives)
}

func snapshotGives(t *testing.T, o postgres.Options) {
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, worldSchema)
	m := mapOf(t, worldMap)
	w := world{
		"places":  {{"id": "1", "tenant": "1", "street": "shared by two"}},
		"people":  {{"id": "1", "tenant": "1", "email": "a@x.example", "name": "A", "place_id": "1"}, {"id": "2", "tenant": "1", "email": "b@x.example", "place_id": "1"}},
		"devices": {{"id": "d1", "tenant": "1", "person_id": "1"}, {"id": "d2", "tenant": "1", "person_id": "1"}},
		"orders": {{"shop": "1", "no": "1", "tenant": "1", "person_id": "2", "device_id": "d1", "what": "theirs"},
			{"shop": "1", "no": "2", "tenant": "1", "device_id": "d2", "what": "mine"}, {"shop": "1", "no": "3", "tenant": "2", "device_id": "d2", "what": "another controller's"}},
		"events": {{"id": "1", "device_id": "d1", "word": "of two"}, {"id": "2", "device_id": "d2", "word": "z"}, {"id": "3", "device_id": "d2"}},
	}
	w.load(t, pool)
	s := sourceOf(t, pool, "world", o)
	read := func(all bool, collection string) []string {
		t.Helper()
		snap, err := s.Snapshot(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Scope: "1", Seeds: seeds("email", "a@x.example"), IncludeShared: all})
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close(t.Context())
		var keys []string
		for range 2 { // it may be asked again
			keys = nil
			if err := snap.Rows(t.Context(), collection, func(r source.Row) error {
				keys = append(keys, fmt.Sprint(r.Values))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		stop := errors.New("stop")
		if err := snap.Rows(t.Context(), collection, func(source.Row) error { return stop }); len(keys) > 0 && !errors.Is(err, stop) {
			t.Errorf("expected the caller's own error, got %v", err)
		}
		return keys
	}
	// d2 is shared, too: another controller's order names it.
	for _, c := range []struct {
		all        bool
		collection string
		rows       int
	}{
		{false, "people", 1}, {false, "places", 1}, {false, "devices", 0}, {false, "orders", 0}, {false, "events", 0},
		{true, "orders", 1}, {true, "events", 2},
	} {
		if got := read(c.all, "world."+c.collection); len(got) != c.rows {
			t.Errorf("%s, shared rows asked for: %t: expected %d rows, got %d", c.collection, c.all, c.rows, len(got))
		}
	}
}
