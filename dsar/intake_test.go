package dsar

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
)

// intakeMap is a small map over two sources, with three types of identity.
const intakeMap = `
dataset:
  - fides_key: crm
    name: Customers
    lethe: {source: crm, basis: f, origin: the person}
    collections:
      - name: people
        lethe: {controller: firm}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: firm, data_categories: [system.operations]}
          - {name: name, data_categories: [user.name]}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
          - {name: branch, data_categories: [system.operations], fides_meta: {custom_request_field: branch}}
  - fides_key: web
    name: Visits
    lethe: {source: web, basis: f, origin: the browser}
    collections:
      - name: browsers
        fields:
          - {name: id, data_categories: [user.device.cookie_id], fides_meta: {primary_key: true, identity: visitor}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
`

// intake is a service over a real control database, with everything outside
// it played by the test: the clock, the queue, the sources.
type intakeBundle struct {
	*Service
	pool  *pgxpool.Pool
	crm   *cannedSource
	clock *clock
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// recordingQueue writes work into a table of the same database, in the
// transaction it is given: what was rolled back was never queued.
type recordingQueue struct{}

func (recordingQueue) Insert(ctx context.Context, tx pgx.Tx, work ...Work) error {
	for _, w := range work {
		if _, err := tx.Exec(ctx, `INSERT INTO test_queue (kind, id, run) VALUES ($1, $2, $3)`, w.Kind, w.ID, w.Run); err != nil {
			return err
		}
	}
	return nil
}

func (q recordingQueue) Hurry(ctx context.Context, tx pgx.Tx, work ...Work) (int, error) {
	return len(work), q.Insert(ctx, tx, work...)
}

// take returns what has been queued since the last call: "step locate crm",
// "letter refused", sorted.
func (b *intakeBundle) take(t *testing.T) []string {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), `
		WITH taken AS (DELETE FROM test_queue RETURNING kind, id)
		SELECT 'step ' || s.stage || ' ' || s.source FROM taken JOIN steps s ON taken.kind = 'step' AND s.id = taken.id
		UNION ALL
		SELECT 'letter ' || l.kind FROM taken JOIN letters l ON taken.kind = 'letter' AND l.id = taken.id
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (b *intakeBundle) expectQueued(t *testing.T, want ...string) {
	t.Helper()
	if got := b.take(t); !slices.Equal(got, want) {
		t.Errorf("expected to be queued: %q, got %q", want, got)
	}
}

// cannedSource answers Find with what the test put there.
type cannedSource struct {
	Source
	found source.Found
	err   error
	asked map[string]string // the fields of the last search
}

func (c *cannedSource) Find(_ context.Context, w source.Walk) (source.Found, error) {
	c.asked = w.Fields
	return c.found, c.err
}

var (
	dpo      = Actor{Name: "staff:1", Controllers: []string{"bota"}}
	reader   = Actor{Name: "staff:2", Controllers: []string{"bota"}, ReadOnly: true}
	stranger = Actor{Name: "staff:3", Controllers: []string{"uhr"}}
	operator = Actor{Name: "operator", All: true}
	person   = Actor{Name: subject, Controllers: []string{"bota"}}
)

func newIntake(t *testing.T) *intakeBundle {
	t.Helper()
	pool := pgtest.Control(t)
	pgtest.Exec(t, pool, `CREATE TABLE test_queue (kind text, id bigint, run int)`)
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(intakeMap)}}, datamap.ParseOptions{Sources: []string{"crm", "web"}})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected a map without errors, got %s", p)
		}
	}
	set, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	b := &intakeBundle{pool: pool, crm: &cannedSource{}, clock: &clock{t: instant(t, "2026-06-05T09:00:00Z")}}
	prague := zone(t, "Europe/Prague")
	b.Service, err = New(Config{
		Pool: pool, Map: m, Sources: map[string]Source{"crm": b.crm, "web": &cannedSource{}},
		Controllers: map[string]Controller{
			"bota": {Key: "bota", Name: "Bota Shop", Country: "CZ", Location: prague, Scope: "1", Language: "cs"},
			"uhr":  {Key: "uhr", Name: "Uhrenladen", Country: "DE", Region: "DE-BY", Scope: "2", Delivery: "attachment"},
		},
		PublicURL: "https://privacy.bota.example/", Keys: set, Storage: &archive.Storage{}, Queue: recordingQueue{},
		Now: b.clock.now, Rand: rand.Reader,
		Policies: []datamap.Policy{{Name: "names-only", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{{Categories: []string{"user.name"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ask(kind datamap.Kind, ids ...string) Submission {
	sub := Submission{Controller: "bota", Kind: kind, Channel: "console"}
	for i := 0; i+1 < len(ids); i += 2 {
		sub.Identities = append(sub.Identities, Identity{Type: ids[i], Value: ids[i+1]})
	}
	return sub
}

func verified(sub Submission) Submission {
	sub.Verified = "passport seen at the counter"
	return sub
}

func (b *intakeBundle) submit(t *testing.T, a Actor, sub Submission) Submitted {
	t.Helper()
	out, err := b.Submit(t.Context(), a, sub)
	if err != nil {
		t.Fatalf("expected the request to be taken in, got %v (%+v)", err, fields(err))
	}
	return out
}

func (b *intakeBundle) get(t *testing.T, id int64) Request {
	t.Helper()
	q, err := b.Get(t.Context(), operator, id)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func (b *intakeBundle) expectStatus(t *testing.T, id int64, want Status) Request {
	t.Helper()
	q := b.get(t, id)
	if q.Status != want {
		t.Fatalf("expected request %d to be %s, it is %s", id, want, q.Status)
	}
	return q
}

// done plays the worker: it ends the steps of a stage with these root rows.
func (b *intakeBundle) done(t *testing.T, id int64, stage string, roots ...source.Root) {
	t.Helper()
	b.inTx(t, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `UPDATE steps SET status = 'done' WHERE request_id = $1 AND stage = $2`, id, stage); err != nil {
			return err
		}
		r, err := loadRequest(t.Context(), tx, id, false)
		if err != nil {
			return err
		}
		for _, root := range roots {
			var rowID int64
			err := tx.QueryRow(t.Context(), `
				INSERT INTO roots (request_id, source, collection, key_hmac, proved, seen_at) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (request_id, source, collection, key_hmac) DO UPDATE SET proved = excluded.proved RETURNING id`,
				id, root.Source, root.Collection, b.rootMAC(r.Controller, root.Source, root.RowKey), stage == "discover", b.clock.now()).Scan(&rowID)
			if err != nil {
				return err
			}
			cipher, err := b.sealJSON(place(rootOf, rowID), rootContent{Key: root.Key, Types: root.Types, Stored: root.Stored, Person: root.Person})
			if err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), `UPDATE roots SET cipher = $2 WHERE id = $1`, rowID, cipher); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *intakeBundle) inTx(t *testing.T, f func(pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), b.pool, f); err != nil {
		t.Fatal(err)
	}
}

// confirmLink makes the link that the locate step mails, for identities by their position.
func (b *intakeBundle) confirmLink(t *testing.T, id int64, positions ...int) string {
	t.Helper()
	var token string
	b.inTx(t, func(tx pgx.Tx) error {
		ids, err := b.identitiesOf(t.Context(), tx, id)
		if err != nil {
			return err
		}
		var chosen []int64
		for _, p := range positions {
			chosen = append(chosen, ids[p].ID)
		}
		token, err = b.newToken(t.Context(), tx, "confirm", id, chosen, 1, 7*24*time.Hour)
		return err
	})
	return token
}

func personRow(key, stored string, person map[string]string, types ...string) source.Root {
	return source.Root{
		Source: "crm", RowKey: source.RowKey{Collection: "crm.people", Key: key}, Types: types,
		Stored: map[string]string{"email": stored}, Person: person,
	}
}

func fields(err error) map[string]string {
	var invalid *Invalid
	if errors.As(err, &invalid) {
		return invalid.Fields
	}
	return nil
}

func expectNotNow(t *testing.T, err error, says string) {
	t.Helper()
	var notNow *NotNow
	if !errors.As(err, &notNow) || !strings.Contains(notNow.Sentence, says) {
		t.Errorf("expected a *NotNow that says %q, got %v", says, err)
	}
}

func (b *intakeBundle) submitted(t *testing.T, email string) int64 {
	t.Helper()
	return b.submit(t, dpo, ask(datamap.Access, "email", email)).ID
}

func (b *intakeBundle) addressOf(t *testing.T, id int64) string {
	t.Helper()
	to, err := b.address(t.Context(), b.pool, id)
	if err != nil {
		t.Fatal(err)
	}
	return to
}
