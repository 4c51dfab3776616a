package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// TestKill kills the worker at random moments with requests of every kind in
// flight: each ends fulfilled, archives are right, letters are accepted once but
// for a second copy with the same Message-ID, and exactly the rows of those who
// asked for it are gone. Six kills; a hundred with LETHE_SOAK.
func TestKill(t *testing.T) {
	t.Parallel()
	kills, people := 6, 36
	if os.Getenv("LETHE_SOAK") != "" {
		kills, people = 100, 300
	}
	k := newKillStage(t)
	subjects, err := sample.Pick(t.Context(), k.shop, people)
	if err != nil {
		t.Fatal(err)
	}
	if len(subjects) < 30 {
		t.Fatalf("the shop should have at least 30 people to pick, it has %d", len(subjects))
	}
	before := k.counts(t)
	expected := k.rowsOf(t, subjects)

	kinds := []datamap.Kind{datamap.Access, datamap.Export, datamap.Erasure}
	all, theirs := k.keys(t, subjects, kinds)
	ids := make([]int64, len(subjects))
	for i, p := range subjects {
		got, err := k.app.requests.Submit(t.Context(), operator, dsar.Submission{
			Controller: k.controller(t, p), Kind: kinds[i%3], Identities: []dsar.Identity{{Type: "email", Value: p.Email}},
			Requester: dsar.Requester{As: "self"}, Channel: "cli", Verified: "seen by the test",
		})
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = got.ID
	}
	// Approvals come in while workers live and die.
	approved := make(chan error, 1)
	go func() {
		for _, id := range ids {
			if err := k.app.follow(t.Context(), &world{err: io.Discard, now: time.Now}, id, following{approve: true, limit: 4 * time.Minute}); err != nil {
				approved <- fmt.Errorf("approve request %d: %w", id, err)
				return
			}
		}
		approved <- nil
	}()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	for range kills {
		w := k.work(t)
		// Progress decides when, not the clock: so many entries of the record
		// later, the process is gone, wherever it was.
		k.until(t, k.entries(t)+int64(1+chance.IntN(max(2, 2*people/kills))))
		if err := w.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = w.Wait()
	}
	last := k.work(t)
	defer func() {
		_ = last.Process.Signal(os.Interrupt)
		_ = last.Wait()
	}()
	if err := <-approved; err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := k.app.follow(t.Context(), &world{err: io.Discard, now: time.Now}, id, following{toTheEnd: true, limit: 4 * time.Minute}); err != nil {
			t.Fatalf("every request should end: %v", err)
		}
		q, err := k.app.requests.Get(t.Context(), operator, id)
		if err != nil || q.Status != dsar.Fulfilled {
			t.Errorf("request %d should be fulfilled, it is %s (%v)", id, q.Status, err)
		}
	}
	k.checkLetters(t)
	k.checkRows(t, before, subjects, expected, kinds)
	k.checkFiles(t, all, theirs)
	k.checkArchives(t, ids, subjects, expected, kinds)
	if log := k.log.String(); containsAny(log, subjects) {
		t.Error("a worker's log holds an address")
	}
}

type killStage struct {
	*stage
	app  *app
	shop *pgxpool.Pool
	log  *safeBuffer
}

func newKillStage(t *testing.T) *killStage {
	s := setStage(t)
	// Short limits, so that a dead process's jobs are taken over in seconds.
	path := filepath.Join(s.dir, "lethe.yaml")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\nwork: {job_limit: 10s, rescue_after: 10s}\n")
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	env := map[string]string{}
	for _, e := range s.env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	cfg, problems := config.Load(path, lookup)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a, err := openApp(t.Context(), &world{env: lookup, now: time.Now, out: io.Discard, err: io.Discard}, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return &killStage{stage: s, app: a, shop: s.shop, log: &safeBuffer{}}
}

// work starts a real worker process.
func (k *killStage) work(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "work")
	cmd.Env = append(os.Environ(), k.env...)
	cmd.Stdout, cmd.Stderr = k.log, k.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func (k *killStage) entries(t *testing.T) (n int64) {
	t.Helper()
	if err := k.app.pool.QueryRow(t.Context(), `SELECT count(*) FROM ledger`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits until the record has so many entries, or nothing is left to do.
func (k *killStage) until(t *testing.T, n int64) {
	t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for k.entries(t) < n {
		_, open, err := k.app.requests.List(t.Context(), operator, dsar.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if open == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("nothing moves:\n%s", k.log.String())
		}
	}
}

func (k *killStage) controller(t *testing.T, p sample.Person) string {
	t.Helper()
	for _, c := range k.app.cfg.Controllers {
		if c.Scope == p.Scope {
			return c.Key
		}
	}
	t.Fatalf("no controller has the scope %s", p.Scope)
	return ""
}

func (k *killStage) counts(t *testing.T) sample.Counts {
	t.Helper()
	c, err := sample.Count(t.Context(), k.shop)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rowsOf counts by SQL of its own what belongs to each person.
func (k *killStage) rowsOf(t *testing.T, people []sample.Person) []sample.Counts {
	t.Helper()
	list := make([]sample.Counts, len(people))
	for i, p := range people {
		list[i] = sample.Counts{}
		for table, sql := range map[string]string{
			"contacts":      `SELECT count(*) FROM contacts WHERE id = $1`,
			"visitors":      `SELECT count(*) FROM visitors WHERE contact_id = $1`,
			"visits":        `SELECT count(*) FROM visits WHERE visitor_id IN (SELECT id FROM visitors WHERE contact_id = $1)`,
			"identifiers":   `SELECT count(*) FROM identifiers WHERE visitor_id IN (SELECT id FROM visitors WHERE contact_id = $1)`,
			"consents":      `SELECT count(*) FROM consents WHERE visitor_id IN (SELECT id FROM visitors WHERE contact_id = $1)`,
			"conversations": `SELECT count(*) FROM conversations WHERE contact_id = $1`,
			"messages":      `SELECT count(*) FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE contact_id = $1)`,
			"attachments": `SELECT count(*) FROM attachments WHERE message_id IN (SELECT m.id FROM messages m
				JOIN conversations c ON c.id = m.conversation_id WHERE c.contact_id = $1)`,
		} {
			var n int64
			if err := k.shop.QueryRow(t.Context(), sql, p.Contact).Scan(&n); err != nil {
				t.Fatal(err)
			}
			list[i][table] = n
		}
	}
	return list
}

// checkRows: exactly the rows of those who asked for erasure are gone.
func (k *killStage) checkRows(t *testing.T, before sample.Counts, people []sample.Person, expected []sample.Counts, kinds []datamap.Kind) {
	t.Helper()
	after := k.counts(t)
	for table, n := range before {
		want := n
		for i := range people {
			if kinds[i%3] == datamap.Erasure {
				want -= expected[i][table]
			}
		}
		if after[table] != want {
			t.Errorf("%s should have %d rows, it has %d", table, want, after[table])
		}
	}
}

// keys are the files that all attachments name, and those of the people who ask for erasure.
func (k *killStage) keys(t *testing.T, people []sample.Person, kinds []datamap.Kind) (all []string, theirs map[string]bool) {
	t.Helper()
	var contacts []int64
	for i, p := range people {
		if kinds[i%3] == datamap.Erasure {
			contacts = append(contacts, p.Contact)
		}
	}
	theirs = map[string]bool{}
	for _, key := range texts(t, k.shop, `SELECT a.object_key FROM attachments a JOIN messages m ON m.id = a.message_id
		JOIN conversations c ON c.id = m.conversation_id WHERE c.contact_id = ANY($1)`, contacts) {
		theirs[key] = true
	}
	if len(theirs) == 0 {
		t.Fatal("somebody who asks for erasure should have an attachment")
	}
	return texts(t, k.shop, `SELECT object_key FROM attachments`), theirs
}

// checkFiles: exactly the files of those who asked for erasure are gone.
func (k *killStage) checkFiles(t *testing.T, all []string, theirs map[string]bool) {
	t.Helper()
	for _, key := range all {
		_, err := os.Stat(filepath.Join(k.dir, "attachments", filepath.FromSlash(key)))
		if gone := errors.Is(err, fs.ErrNotExist); gone != theirs[key] {
			t.Errorf("the file of an attachment should be gone: %t, it is: %t (%v)", theirs[key], gone, err)
		}
	}
}

// checkArchives opens each archive and counts its rows and files.
func (k *killStage) checkArchives(t *testing.T, ids []int64, people []sample.Person, expected []sample.Counts, kinds []datamap.Kind) {
	t.Helper()
	for i, id := range ids {
		if kinds[i%3] != datamap.Access {
			continue
		}
		var b bytes.Buffer
		if err := k.app.requests.HandOver(context.WithoutCancel(t.Context()), operator, id, &b); err != nil {
			t.Errorf("the archive of request %d: %v", id, err)
			continue
		}
		for table, want := range expected[i] {
			if got := rowsInArchive(t, b.Bytes(), table); got != want {
				t.Errorf("the archive of request %d should hold %d rows of %s, it holds %d", id, want, table, got)
			}
		}
		if got, want := filesInArchive(t, b.Bytes()), expected[i]["attachments"]; got != want {
			t.Errorf("the archive of request %d should hold %d attachments, it holds %d", id, want, got)
		}
	}
}

func rowsInArchive(t *testing.T, data []byte, table string) int64 {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if f.Name != "data/livechat/"+table+".json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var rows []map[string]any
		if err := json.NewDecoder(r).Decode(&rows); err != nil {
			t.Fatal(err)
		}
		return int64(len(rows))
	}
	return 0
}

// filesInArchive counts those of the shop's store.
func filesInArchive(t *testing.T, data []byte) (n int64) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if strings.HasPrefix(f.Name, "files/") && f.UncompressedSize64 > 0 {
			n++
		}
	}
	return n
}

// checkLetters: nobody got two different letters of one kind for one request.
func (k *killStage) checkLetters(t *testing.T) {
	t.Helper()
	seen := map[string]string{} // recipient and subject -> Message-ID
	for _, m := range k.box.Messages() {
		key := strings.Join(m.To, ",") + " " + m.Subject
		if id, again := seen[key]; again && id != m.MessageID {
			t.Errorf("two letters with different Message-IDs went out for one purpose")
		}
		seen[key] = m.MessageID
	}
}

func containsAny(text string, people []sample.Person) bool {
	text = strings.ToLower(text)
	for _, p := range people {
		if strings.Contains(text, strings.ToLower(p.Email)) {
			return true
		}
	}
	return false
}
