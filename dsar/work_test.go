package dsar

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
)

// workBundle is a service over a real control database and two sources in
// memory, with a mailer that keeps what it is given.
type workBundle struct {
	*intakeBundle
	people, web *memory
	mail        *outbox
}

// outbox is a mailer of the test.
type outbox struct {
	mu      sync.Mutex
	sent    []Letter
	files   map[int64][]byte // attachments by letter
	refuse  func(Letter) error
	dieSent bool // panics after acceptance, before the note
}

func (o *outbox) Send(ctx context.Context, l Letter) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse != nil {
		if err := o.refuse(l); err != nil {
			return err
		}
	}
	if l.Attachment != nil {
		_, r, err := l.Attachment(ctx)
		if err != nil {
			return err
		}
		defer r.Close() //nolint:errcheck // a test's file
		if o.files[l.ID], err = io.ReadAll(r); err != nil {
			return err
		}
	}
	o.sent = append(o.sent, l)
	if o.dieSent {
		o.dieSent = false
		panic(killed)
	}
	return nil
}

// letters lists what was sent of a kind.
func (o *outbox) letters(kind string) []Letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []Letter
	for _, l := range o.sent {
		if l.Kind == kind {
			out = append(out, l)
		}
	}
	return out
}

// one is the only letter of a kind.
func (o *outbox) one(t *testing.T, kind string) Letter {
	t.Helper()
	list := o.letters(kind)
	if len(list) != 1 {
		t.Fatalf("expected one letter of kind %s, got %d", kind, len(list))
	}
	return list[0]
}

var errKilled = errors.New("killed")

// killed is what a source or mailer panics with where the process would die.
const killed = "killed here"

func newWork(t *testing.T) *workBundle {
	t.Helper()
	people := newMemory("crm", map[string][]map[string]string{"crm.people": {
		{"id": "1", "firm": "1", "name": "Pavla Ng", "mail": "Pavla@Example.org", "phone": "+420601000001"},
		{"id": "2", "firm": "1", "name": "Karel Novák", "mail": "karel@example.org", "phone": "+420601000002"},
		{"id": "3", "firm": "2", "name": "Pavla Ng", "mail": "pavla@example.org"},
		{"id": "4", "firm": "1", "name": "Ester Ng", "mail": "two@example.org"},
		{"id": "5", "firm": "1", "name": "Adam Ng", "mail": "TWO@example.org"},
	}})
	web := newMemory("web", map[string][]map[string]string{"web.browsers": {
		{"id": "v1", "mail": "pavla@example.org"},
		{"id": "v2", "mail": ""},
	}})
	b := newWorkOver(t, intakeMap, map[string]Source{"crm": people, "web": web})
	b.people, b.web = people, web
	return b
}

// newWorkOver is the same over any map and sources.
func newWorkOver(t *testing.T, file string, sources map[string]Source) *workBundle {
	t.Helper()
	return newWorkWith(t, file, sources, nil)
}

// newWorkWith is the same with stores of files that rows name.
func newWorkWith(t *testing.T, file string, sources map[string]Source, files map[string]FileStore) *workBundle {
	t.Helper()
	pool := pgtest.Control(t)
	pgtest.Exec(t, pool, `CREATE TABLE test_queue (kind text, id bigint, run int, n bigint GENERATED ALWAYS AS IDENTITY)`)
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(file)}}, datamap.ParseOptions{Sources: slices.Collect(maps.Keys(sources)), Stores: slices.Collect(maps.Keys(files))})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected a map without errors, got %s", p)
		}
	}
	set, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	storage, err := archive.OpenStorage(t.Context(), "file://"+t.TempDir(), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storage.Close() }) //nolint:errcheck // a test's folder
	in := &intakeBundle{pool: pool, clock: &clock{t: instant(t, "2026-06-05T09:00:00Z")}}
	b := &workBundle{intakeBundle: in, mail: &outbox{files: map[int64][]byte{}}}
	in.Service, err = New(Config{
		Pool: pool, Map: m, Sources: sources, Files: files,
		Controllers: map[string]Controller{
			"bota": {Key: "bota", Name: "Bota Shop", Country: "CZ", Location: zone(t, "Europe/Prague"), Scope: "1", Language: "cs", DPO: "dpo@bota.example"},
			"uhr":  {Key: "uhr", Name: "Uhrenladen", Country: "DE", Region: "DE-BY", Scope: "2", Delivery: "attachment"},
		},
		Recipients: []archive.Recipient{
			{Name: "Newsletter Ltd", Role: "processor", Region: "IE", Gets: []string{"user.contact"}},
			{Name: "Payroll Ltd", Role: "processor", Region: "IE", Gets: []string{"user.financial"}},
		},
		Notify: map[string]Notify{
			"news":    {Name: "Newsletter Ltd", Address: "privacy@news.example"},
			"payroll": {Name: "Payroll Ltd", Address: "privacy@payroll.example"},
		},
		PublicURL: "https://privacy.bota.example", Keys: set, Storage: storage, Queue: recordingQueue{},
		Now: in.clock.now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// work plays the workers until the queue is empty, and returns the errors that
// jobs ended with. A panic with killed is a killed worker: its job stays undone.
func (b *workBundle) work(t *testing.T) []error {
	t.Helper()
	var errs []error
	for {
		var w Work
		err := b.pool.QueryRow(t.Context(), `
			DELETE FROM test_queue WHERE n = (SELECT min(n) FROM test_queue) RETURNING kind, id, run`).Scan(&w.Kind, &w.ID, &w.Run)
		if errors.Is(err, pgx.ErrNoRows) {
			return errs
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := b.run(t, w); err != nil {
			errs = append(errs, err)
		}
	}
}

// run carries one job out.
func (b *workBundle) run(t *testing.T, w Work) (err error) {
	t.Helper()
	defer func() {
		switch p := recover(); p {
		case nil:
		case killed:
			err = errKilled
		default:
			panic(p)
		}
	}()
	if w.Kind == "letter" {
		return b.SendLetter(t.Context(), w.ID, w.Run, b.mail)
	}
	return b.RunStep(t.Context(), w.ID, w.Run)
}

// worked plays the workers and expects no errors.
func (b *workBundle) worked(t *testing.T) {
	t.Helper()
	if errs := b.work(t); len(errs) > 0 {
		t.Fatalf("expected every job to end well, got %v", errs)
	}
}

// job finds the step of a request as a job.
func (b *workBundle) job(t *testing.T, id int64, stage, src string) Work {
	t.Helper()
	w := Work{Kind: "step"}
	err := b.pool.QueryRow(t.Context(), `SELECT id, run FROM steps WHERE request_id = $1 AND stage = $2 AND source = $3`,
		id, stage, src).Scan(&w.ID, &w.Run)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// step finds a step of a request.
func (b *workBundle) step(t *testing.T, id int64, stage, src string) Step {
	t.Helper()
	for _, st := range b.get(t, id).Steps {
		if st.Stage == stage && st.Source == src {
			return st
		}
	}
	t.Fatalf("expected request %d to have a step %s %s", id, stage, src)
	return Step{}
}

// toApprove is a request whose discovery is through.
func (b *workBundle) toApprove(t *testing.T, kind datamap.Kind, email string) int64 {
	t.Helper()
	id := b.submit(t, dpo, verified(ask(kind, "email", email))).ID
	b.worked(t)
	return id
}

// approved submits a verified request, searches, and approves it with all rows.
func (b *workBundle) approved(t *testing.T, kind datamap.Kind, email string, rows ...string) int64 {
	t.Helper()
	id := b.toApprove(t, kind, email)
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: rows}); err != nil {
		t.Fatalf("expected the approval to be taken, got %v", err)
	}
	return id
}

// token is the secret part of a letter's link.
func token(l Letter) string { return l.Link[strings.LastIndex(l.Link, "/")+1:] }

// download fetches an archive by the link of a letter.
func (b *workBundle) download(t *testing.T, l Letter) ([]byte, error) {
	t.Helper()
	var buf bytes.Buffer
	err := b.Download(t.Context(), token(l), func(name string, size int64) io.Writer { return &buf })
	return buf.Bytes(), err
}

// unzip returns the files of an archive by name.
func unzip(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("expected a ZIP, got %v", err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

// dump is every column of every table of the control database, as text.
func (b *workBundle) dump(t *testing.T) string {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), `
		SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		rows, err := b.pool.Query(t.Context(), fmt.Sprintf(`SELECT t::text FROM %s t`, table))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			fmt.Fprintln(&all, table, l)
		}
	}
	return all.String()
}

// expectNowhere fails when a dump holds one of the words, in clear or as the
// hex that bytea columns show.
func expectNowhere(t *testing.T, dump string, words ...string) {
	t.Helper()
	low := strings.ToLower(dump)
	for _, w := range words {
		for _, form := range []string{strings.ToLower(w), fmt.Sprintf("%x", w)} {
			if i := strings.Index(low, form); i >= 0 {
				t.Errorf("expected %q nowhere in the control database, found …%s…", w, dump[max(0, i-80):min(len(dump), i+80)])
			}
		}
	}
}

// keysOf lists the ids left in a collection.
func (m *memory) keysOf(collection string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, row := range m.rows[collection] {
		out = append(out, row["id"])
	}
	slices.Sort(out)
	return out
}

func findingIn(t *testing.T, findings []source.Finding, collection string) source.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Collection == collection {
			return f
		}
	}
	t.Fatalf("expected a finding in %s", collection)
	return source.Finding{}
}
