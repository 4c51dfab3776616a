package dsar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// One source fails: the others go on, the DPO reads why, retry finishes.
func TestOneSourceFails(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "pavla@example.org"))).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.web.set(func() {
		b.web.fail = &pgconn.PgError{Code: "42501", Message: "permission denied for table browsers", Detail: "pavla@example.org"}
	})
	errs := b.work(t)
	var perm *Permanent
	if len(errs) != 1 || !errors.As(errs[0], &perm) || perm.Code != "source_rights" {
		t.Fatalf("expected one permanent error about rights, got %v", errs)
	}
	if strings.Contains(errs[0].Error(), "pavla") {
		t.Errorf("expected no contents in the error, got %v", errs[0])
	}
	if st := b.step(t, id, "erase", "crm"); st.Status != "done" {
		t.Errorf("expected the other source to be done, it is %s", st.Status)
	}
	st := b.step(t, id, "erase", "web")
	if st.Status != "failed" || !strings.Contains(st.Message, "Grant them") || !strings.Contains(st.Message, "trigger") {
		t.Errorf("expected a sentence that says what to do, got %s: %q", st.Status, st.Message)
	}
	b.expectStatus(t, id, Running)
	b.web.set(func() { b.web.fail = nil })
	if err := b.Retry(t.Context(), reader, id); !errors.Is(err, ErrForbidden) {
		t.Errorf("expected a reader not to be allowed to retry, got %v", err)
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	expectNotNow(t, b.Retry(t.Context(), dpo, id), "has failed")
}

// What is down is tried again by itself; whoever has mended it need not wait for
// that. What only waits for its turn is none of theirs.
func TestRetryOfWhatRests(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() { b.people.fail = &pgconn.PgError{Code: "57P03"} })
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	expectNotNow(t, b.Retry(t.Context(), dpo, id), "nothing waits to be tried again")
	if errs := b.work(t); len(errs) == 0 {
		t.Fatal("expected a source that is down to be an error for the queue")
	}
	if st := b.step(t, id, "discover", "crm"); st.Status != "waiting" || st.Error == "" {
		t.Fatalf("expected the step to wait for its next try, it is %s (%s)", st.Status, st.Error)
	}
	b.people.set(func() { b.people.fail = nil })
	b.take(t)
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.mail.refuse = answering(451)
	if errs := b.work(t); len(errs) == 0 {
		t.Fatal("expected a letter that was put off to be an error for the queue")
	}
	b.mail.refuse = nil
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "letter archive")
	if line := b.get(t, id).Timeline; !slices.ContainsFunc(line, func(e Event) bool { return strings.HasPrefix(e.Text, "Tried again at once") }) {
		t.Errorf("expected the time line to say so, it has %v", line)
	}
	if err := b.run(t, b.letterJob(t, id, "archive")); err != nil {
		t.Fatal(err)
	}
	b.mail.one(t, "archive")
	expectNotNow(t, b.Retry(t.Context(), dpo, id), "has failed")
}

// A source that is down is tried again; when the queue gives up, the DPO is told.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() { b.people.fail = &pgconn.PgError{Code: "57P03"} })
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	errs := b.work(t)
	if perm := (*Permanent)(nil); len(errs) != 1 || errors.As(errs[0], &perm) {
		t.Fatalf("expected one passing error, got %v", errs)
	}
	st := b.step(t, id, "discover", "crm")
	if st.Status != "waiting" || !strings.Contains(st.Message, "tries again") {
		t.Errorf("expected the step to wait and say so, it is %s: %q", st.Status, st.Message)
	}
	w := b.job(t, id, "discover", "crm")
	if err := b.GiveUp(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	st = b.step(t, id, "discover", "crm")
	if st.Status != "failed" || !strings.Contains(st.Message, "has tried several times") {
		t.Errorf("expected the step to be failed and say so, it is %s: %q", st.Status, st.Message)
	}
	if err := b.GiveUp(t.Context(), w); err != nil {
		t.Errorf("expected giving up twice to do no harm, got %v", err)
	}
	b.people.set(func() { b.people.fail = nil })
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if st := b.step(t, id, "discover", "crm"); st.Status != "done" || st.Message != "" {
		t.Errorf("expected the step to be done after retry, it is %s: %q", st.Status, st.Message)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err     error
		code    string
		says    string
		passing bool
	}{
		{&pgconn.PgError{Code: "28P01", Message: `password authentication failed for user "x"`}, "source_signin", "user and password", false},
		{&pgconn.PgError{Code: "3D000"}, "source_database", "has no database", false},
		{&pgconn.PgError{Code: "42P01", Message: `relation "people" does not exist`}, "source_table", "the table people", false},
		{&pgconn.PgError{Code: "42703", Message: `column "mail" does not exist`}, "source_column", "the column mail", false},
		{fmt.Errorf("source crm: find: %w", pg.Clean(pg.ErrPooled)), "source_pooler", "keeps sessions", false},
		{&pgconn.PgError{Code: "25006"}, "source_read_only", "read-only", true},
		{&pgconn.PgError{Code: "57014"}, "source_slow", "longer than allowed", true},
		{&pgconn.PgError{Code: "40P01"}, "source_busy", "busy", true},
		{&pgconn.PgError{Code: "55P03", Where: `while deleting tuple (0,1) in relation "orders"`}, "source_locked", "rows in the table orders that another session keeps locked", true},
		{&pgconn.PgError{Code: "55P03", Where: `SQL function "secret"`}, "source_locked", "rows or a table that another session keeps locked", true},
		{&pgconn.PgError{Code: "53300"}, "source_full", "no connection", true},
		{&pgconn.PgError{Code: "53200"}, "source_full", "max_locks_per_transaction", true},
		{&pgconn.PgError{Code: "57P01"}, "source_down", "cannot be reached", true},
		{&pgconn.PgError{Code: "23503", TableName: "orders"}, "source_constraint", "the table orders", true},
		{&pgconn.PgError{Code: "23502", TableName: "users", ColumnName: "login"}, "source_constraint", "the column login of the table users may not be NULL", false},
		{&pgconn.PgError{Code: "P0001", Message: "secret"}, "P0001", "one of its triggers raised", false},
		{&pgconn.PgError{Code: "XX001", Message: "secret"}, "XX001", "XX001", false},
		{errors.New("dial tcp: secret"), "source_down", "cannot be reached", true},
	} {
		f := explain(&sourceError{"crm", tc.err})
		if f.code != tc.code || f.passing != tc.passing || !strings.Contains(f.sentence, tc.says) {
			t.Errorf("%v: expected %s, passing %v, saying %q; got %+v", tc.err, tc.code, tc.passing, tc.says, f)
		}
		if strings.Contains(f.sentence, "secret") || strings.Contains(f.err("step", tc.err).Error(), "secret") {
			t.Errorf("%v: expected no contents in the sentence or the error", tc.code)
		}
	}
}
