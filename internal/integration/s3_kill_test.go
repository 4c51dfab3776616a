package integration

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// gate stands before the S3 server. Closed, it answers no deletion, and says
// when one has come.
type gate struct {
	*httptest.Server
	closed  atomic.Bool
	knocked chan struct{}
}

func newGate(t *testing.T, address string) *gate {
	t.Helper()
	g := &gate{knocked: make(chan struct{}, 100)}
	to := &url.URL{Scheme: "http", Host: address}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.closed.Load() && (r.Method == http.MethodDelete || r.Method == http.MethodPost && r.URL.Query().Has("delete")) {
			g.knocked <- struct{}{}
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// firm is Lethe itself, as processes, over the live chat with its attachments in a bucket.
type firm struct {
	binary string
	env    []string
}

// lethe runs one command to its end.
func (f *firm) lethe(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), f.binary, args...)
	cmd.Env = f.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("expected lethe %s to end well: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// work starts a worker.
func (f *firm) work(t *testing.T) (kill func()) {
	t.Helper()
	log := &bytes.Buffer{}
	cmd := exec.Command(f.binary, "work")
	cmd.Env, cmd.Stdout, cmd.Stderr = f.env, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			_ = cmd.Process.Kill() // SIGKILL
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return kill
}

// binary builds the product.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lethe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join("..", ".."), "-o", path, "./cmd/lethe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("expected the product to be built: %v\n%s", err, out)
	}
	return path
}

// killedBetween: a worker is killed with SIGKILL after the rows' commit, before
// the S3 server has deleted a file. The next one deletes them all, and nobody else's.
func (g *gateway) killedBetween(t *testing.T) {
	d := &desk{pool: pgtest.Control(t), shop: pgtest.Empty(t)}
	pgtest.Exec(t, d.shop, livechat.Schema)
	shop := sample.Generate(5, time.Now(), sample.Options{Contacts: 60, Visits: 400})
	if err := shop.Load(t.Context(), d.shop); err != nil {
		t.Fatal(err)
	}
	g.bucket(t, "killed")
	d.files = g.open(t, g.url("killed", ""))
	d.upload(t)
	stand := newGate(t, g.address)
	through := *g
	through.address = strings.TrimPrefix(stand.URL, "http://")

	dir := t.TempDir()
	for name, text := range map[string]string{"lethe.yaml": livechat.Config, "datamap.yaml": livechat.Datamap, "retention.yaml": livechat.Retention} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mails := httptest.NewServer(http.NotFoundHandler()) // nobody reads mail here; letters wait
	defer mails.Close()
	f := &firm{binary: g.product, env: append(os.Environ(),
		"LETHE_CONFIG="+filepath.Join(dir, "lethe.yaml"), "LETHE_DATABASE="+pgtest.URL(d.pool), "SHOP_DATABASE="+pgtest.URL(d.shop),
		"SHOP_FILES="+through.url("killed", ""), "STORAGE=file://"+filepath.Join(dir, "archives"), "KEY_FILE="+filepath.Join(dir, "lethe.key"),
		"MAIL_URL=smtp://"+strings.TrimPrefix(mails.URL, "http://"), "LISTEN=127.0.0.1:0", "PUBLIC_URL=http://localhost:8080")}
	f.lethe(t, "keys", "new", "--out", filepath.Join(dir, "lethe.key"))

	p, _ := shop.Person("erasure")
	other, _ := shop.Person("access")
	theirs, others := d.keysOf(t, p.Contact), d.keysOf(t, other.Contact)
	stand.closed.Store(true)
	kill := f.work(t)
	f.lethe(t, "request", "submit", "--kind", "erasure", "--controller", p.Controller, "--email", p.Email, "--verified", "passport seen", "--approve", "--rows", "all")
	select {
	case <-stand.knocked:
	case <-time.After(time.Minute):
		t.Fatal("expected the worker to begin to delete files")
	}
	kill()
	if n := count(t, d.shop, `SELECT count(*) FROM contacts WHERE id = $1`, p.Contact); n != 0 {
		t.Error("expected the rows to be gone before the files are")
	}
	d.expectFiles(t, theirs, true)

	stand.closed.Store(false)
	// The queue's rescue of a dead worker's job comes after minutes: here it comes now.
	pgtest.Exec(t, d.pool, `UPDATE river_job SET state = 'available', scheduled_at = now() WHERE state IN ('running', 'retryable')`)
	f.work(t)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); count(t, d.pool, `SELECT count(*) FROM steps WHERE stage = 'erase' AND status <> 'done'`) > 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("expected the next worker to finish the erasure")
		}
	}
	d.expectFiles(t, theirs, false)
	d.expectFiles(t, others, true)
	if n := count(t, d.pool, `SELECT coalesce(sum((counts->0->>'erased')::int), 0) FROM findings WHERE source = 'files'`); n != int64(len(theirs)) {
		t.Errorf("expected %d erased files on the record, got %d", len(theirs), n)
	}
	if n := count(t, d.pool, `SELECT count(*) FROM step_files`); n != 0 {
		t.Errorf("expected no key of a file to be kept, %d pieces are", n)
	}
	if said := f.lethe(t, "ledger", "verify"); said == "" {
		t.Error("expected the ledger to verify in words")
	}
}

// expectFiles looks whether files are there.
func (d *desk) expectFiles(t *testing.T, keys []string, there bool) {
	t.Helper()
	for i, key := range keys {
		if got, err := d.files.Exists(t.Context(), key); err != nil || got != there {
			t.Errorf("expected file %d of %d to be there: %v; it is: %v, %v", i+1, len(keys), there, got, err)
		}
	}
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(fmt.Errorf("count: %w", err))
	}
	return n
}
