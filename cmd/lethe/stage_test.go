package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// asOf is the day on which the vendor's rows stood as they are.
var asOf = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

// A shopKind is where a stage's rows come from: each story is told on the
// vendor's rows, where those are beside the project, and always on generated ones.
type shopKind struct {
	name string
	fill func(testing.TB) func(context.Context, *pgxpool.Pool) error
}

func shopKinds() []shopKind {
	return []shopKind{
		{"generated", func(testing.TB) func(context.Context, *pgxpool.Pool) error {
			return sample.Generate(1, asOf, sample.Options{}).Load
		}},
		{"real rows", func(t testing.TB) func(context.Context, *pgxpool.Pool) error {
			dir := realRows(t)
			return func(ctx context.Context, shop *pgxpool.Pool) error { return sample.LoadCSV(ctx, shop, dir) }
		}},
	}
}

// lookup is the stage's environment; later entries win.
func (s *stage) lookup(name string) (string, bool) {
	for i := len(s.env) - 1; i >= 0; i-- {
		if k, v, _ := strings.Cut(s.env[i], "="); k == name {
			return v, true
		}
	}
	return "", false
}

func (s *stage) set(name, value string) { s.env = append(s.env, name+"="+value) }

// configure appends lines to lethe.yaml.
func (s *stage) configure(t testing.TB, lines string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, "lethe.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\n" + lines + "\n")
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
}

// open joins the parts in this process, with a clock and a log of the test's.
func (s *stage) open(t testing.TB, log *slog.Logger, now func() time.Time) *app {
	t.Helper()
	cfg, problems := config.Load(filepath.Join(s.dir, "lethe.yaml"), s.lookup)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a, err := openApp(t.Context(), &world{env: s.lookup, now: now, out: io.Discard, err: io.Discard}, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// control is a pool on the control database, of the test's own.
func (s *stage) control(t testing.TB) *pgxpool.Pool {
	t.Helper()
	url, _ := s.lookup("LETHE_DATABASE")
	pool, err := pg.Open(t.Context(), url, pg.Options{Name: "test", SearchPath: "lethe", MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// outcome is what a command said.
type outcome struct {
	out, err string
	status   int
}

// lethe runs one command to its end, in this process: starting one takes longer
// than most commands do.
func (s *stage) lethe(t testing.TB, args ...string) outcome {
	t.Helper()
	return s.clocked(t, time.Now, args...)
}

// on is lethe on another day.
func (s *stage) on(t testing.TB, day time.Time, args ...string) outcome {
	t.Helper()
	return s.clocked(t, func() time.Time { return day }, args...)
}

func (s *stage) clocked(t testing.TB, now func() time.Time, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	file, _ := s.lookup("LETHE_CONFIG")
	status := run(t.Context(), append([]string{"-c", file}, args...), &world{
		in: strings.NewReader(""), out: &out, err: &errs, env: s.lookup, now: now,
	})
	return outcome{out.String(), errs.String(), status}
}

// must is lethe with the exit status that is expected.
func (s *stage) must(t testing.TB, status int, args ...string) outcome {
	t.Helper()
	got := s.lethe(t, args...)
	if got.status != status {
		t.Fatalf("lethe %s should end with status %d, it ends with %d:\n%s%s", strings.Join(args, " "), status, got.status, got.out, got.err)
	}
	return got
}

func (s *stage) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// retry has what failed, or rests, tried at once: a rest doubles, and how often
// something was tried while the test looked on depends on the machine.
func (s *stage) retry(t testing.TB, id int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("request %d should not be at work", id), func() bool {
		return !strings.Contains(s.lethe(t, "request", "retry", fmt.Sprint(id)).err, "just now")
	})
}

// A process is a running lethe.
type process struct {
	cmd    *exec.Cmd
	killed bool
}

// start runs a command that goes on until it is stopped; the end of the test stops it.
func (s *stage) start(t testing.TB, log io.Writer, args ...string) *process {
	t.Helper()
	p := &process{cmd: s.command(t, args...)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// end sends a signal, once, and waits.
func (p *process) end(signal syscall.Signal) {
	if p.killed {
		return
	}
	p.killed = true
	_ = p.cmd.Process.Signal(signal)
	_ = p.cmd.Wait()
}

// pagesAt waits until a process tells where its pages are.
func pagesAt(t testing.TB, log *safeBuffer) string {
	t.Helper()
	said := regexp.MustCompile(`Serving \S+ on (\S+)\.\n`)
	var at string
	eventually(t, "the process that serves should say where", func() bool {
		m := said.FindStringSubmatch(log.String())
		if m != nil {
			at = "http://" + m[1]
		}
		return m != nil
	})
	return at
}

// patience is far above what anything here takes, also on a busy machine; a
// rescued job alone waits for two rounds of the queue's rescuer.
const patience = 2 * time.Minute

// eventually polls until something is so, less often the longer it takes: to ask
// takes time that what is waited for could have.
func eventually(t testing.TB, expected string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for rest := 10 * time.Millisecond; !so(); rest = min(rest*5/4, 300*time.Millisecond) {
		select {
		case <-time.After(rest):
		case <-deadline.C:
			t.Fatalf("after %s: %s", patience, expected)
		case <-t.Context().Done():
			t.Fatalf("the test ended: %s", expected)
		}
	}
}

// read takes a command's JSON apart.
func read[T any](t testing.TB, o outcome) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(o.out))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("one JSON document was expected, got %v:\n%s%s", err, o.out, o.err)
	}
	if d.More() {
		t.Fatalf("one JSON document was expected, there is more:\n%s", o.out)
	}
	return v
}

// number asks a database for one number.
func number(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("a number was expected from %s: %v", sql, err)
	}
	return n
}

// texts asks a database for a column.
func texts(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("texts were expected from %s: %v", sql, err)
	}
	return list
}

// tables are the shop's.
var tables = []string{"accounts", "agents", "contacts", "visitors", "visits", "identifiers", "consents", "conversations", "messages", "attachments"}

// picture is a hash of every row of every table: "table:id" to the hash.
func picture(t testing.TB, shop *pgxpool.Pool) map[string]string {
	t.Helper()
	p := map[string]string{}
	for _, table := range tables {
		rows, err := shop.Query(t.Context(), `SELECT id::text, md5(x::text) FROM `+pgx.Identifier{table}.Sanitize()+` x`)
		if err != nil {
			t.Fatal(err)
		}
		var id, sum string
		if _, err := pgx.ForEachRow(rows, []any{&id, &sum}, func() error { p[table+":"+id] = sum; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// compare compares two pictures: what had to go is gone, what had to be
// emptied is there and differs, and every other row is as it was.
func compare(t testing.TB, before, after map[string]string, gone, emptied []string) {
	t.Helper()
	expected := map[string]string{}
	for _, id := range gone {
		expected[id] = "gone"
	}
	for _, id := range emptied {
		expected[id] = "emptied"
	}
	for id, sum := range before {
		now, there := after[id]
		got := "as it was"
		switch {
		case !there:
			got = "gone"
		case now != sum:
			got = "emptied"
		}
		want := expected[id]
		if want == "" {
			want = "as it was"
		}
		delete(expected, id)
		if got != want {
			t.Errorf("row %s should be %s, it is %s", id, want, got)
		}
	}
	for id := range expected {
		t.Errorf("row %s was expected to be there at first", id)
	}
	for id := range after {
		if _, old := before[id]; !old {
			t.Errorf("row %s is new; nobody may add rows", id)
		}
	}
}

// unzip reads an archive: names to contents.
func unzip(t testing.TB, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("the archive should be a ZIP: %v", err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		_ = r.Close()
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(b)
	}
	return files
}

// linkIn is the path of the link with a prefix in a mail to exactly this
// address, of those that came after the first ones.
func (s *stage) linkIn(t testing.TB, to, prefix string, after int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pattern := regexp.MustCompile(regexp.QuoteMeta(prefix) + `[A-Za-z0-9_-]+`)
	m, err := s.box.Wait(ctx, func(m mailbox.Message) bool {
		return m.ID > after && m.To[0] == to && pattern.MatchString(m.Text)
	})
	if err != nil {
		t.Fatalf("a mail with a link to %s… should have come: %v", prefix, err)
	}
	return pattern.FindString(m.Text)
}

// press opens a link's page and presses its button, as a person does.
func press(t testing.TB, v *visitor, path string) []byte {
	t.Helper()
	if err := v.get(t.Context(), path); err != nil {
		t.Fatalf("the link's page should open: %v", err)
	}
	body, err := v.post(t.Context(), path, nil)
	if err != nil {
		t.Fatalf("the link's button should work: %v", err)
	}
	return body
}

// file is a path in the stage's folder.
func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }
