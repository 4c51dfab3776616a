package dsar

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// The shortest way: verified at the counter, approved, running.
func TestVerifiedSubmission(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	out := b.submit(t, dpo, verified(ask(datamap.Access, "email", " Pavla@Example.org ", "phone", "+420 602 123 456", "email", "pavla@example.org")))
	b.expectQueued(t, "step discover crm", "step discover web")
	q := b.expectStatus(t, out.ID, InReview)
	if len(q.Identities) != 2 || q.Identities[0].Value != "pavla@example.org" || q.Identities[0].How == "" || q.Identities[0].By != "staff:1" {
		t.Errorf("expected two identities, normalised and proved by staff:1, got %+v", q.Identities)
	}
	if q.DueOn.Format(time.DateOnly) != "2026-07-07" || !strings.HasPrefix(q.Derivation, "5 June + 1 month") {
		t.Errorf("expected the answer to be due on 2026-07-07, got %s (%s)", q.DueOn, q.Derivation)
	}
	expectNotNow(t, b.Approve(t.Context(), dpo, out.ID, Approval{}), "still under way in crm, web")
	b.done(t, out.ID, "discover", personRow("1", "PAVLA@example.org", map[string]string{"name": "Pavla"}, "email"))
	if got := b.get(t, out.ID).Waiting; !strings.Contains(got, "your decision") {
		t.Errorf("expected the request to wait for the DPO's decision, it says %q", got)
	}
	if err := b.Approve(t.Context(), dpo, out.ID, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "step archive ")
	q = b.expectStatus(t, out.ID, Running)
	if len(q.Roots) != 1 || q.Roots[0].Ticked == nil || !*q.Roots[0].Ticked {
		t.Errorf("expected the one row found to be taken by the approval, got %+v", q.Roots)
	}
	var types []string
	for _, e := range q.Timeline {
		types = append(types, e.Type)
		if e.Text == "" || strings.Contains(e.Text, "avla") {
			t.Errorf("expected a sentence without personal data for %s, got %q", e.Type, e.Text)
		}
	}
	want := []string{"request.submitted", "request.verified", "request.in_review", "request.approved", "request.running"}
	if !slices.Equal(types, want) {
		t.Errorf("expected the time line %q, got %q", want, types)
	}
}

// Nothing of the identities stands in clear in the control database.
func TestNothingInClear(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	sub := verified(ask(datamap.Access, "email", "clearly@example.org", "phone", "+420602123456"))
	sub.Requester = Requester{As: "lawyer", Name: "Jarmila Advocate", Address: "jana@law.example", Mandate: "power of attorney of 3 May 2026"}
	out := b.submit(t, dpo, sub)
	b.done(t, out.ID, "discover", personRow("77", "Clearly@example.org", map[string]string{"name": "Clara"}, "email"))
	if err := b.Refuse(t.Context(), dpo, out.ID, "Clara asked for another's data."); err != nil {
		t.Fatal(err)
	}
	q := b.get(t, out.ID)
	if q.Requester.Name != "Jarmila Advocate" || q.MandateBy != "staff:1" || q.Identities[0].Value != "clearly@example.org" {
		t.Errorf("expected staff to read what was sealed, got %+v", q)
	}
	rows, err := b.pool.Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		for _, secret := range []string{"clearly@", "602123456", "Jarmila", "law.example", "Clara", out.StatusToken} {
			var n int
			err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM "`+table+`" x
				WHERE x::text ILIKE '%' || $1 || '%' OR encode(convert_to(x::text, 'UTF8'), 'escape') ILIKE '%' || $1 || '%'
				   OR x::text ILIKE '%' || encode(convert_to($1, 'UTF8'), 'hex') || '%'`, secret).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				t.Errorf("expected no row of %s to hold %q in clear, %d do", table, secret, n)
			}
		}
	}
}

// The ledger entry and the queue stand or fall with the change.
func TestOneTransaction(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	pgtest.Exec(t, b.pool, `ALTER TABLE test_queue ADD CHECK (kind <> 'step')`)
	if _, err := b.Submit(t.Context(), dpo, verified(ask(datamap.Access, "email", "a@example.org"))); err == nil {
		t.Fatal("expected a submission whose jobs cannot be queued to fail")
	}
	entries, err := ledger.List(t.Context(), b.pool, 0, 10)
	if err != nil || len(entries) != 0 {
		t.Errorf("expected no ledger entry of what did not happen, got %v, %v", entries, err)
	}
	if _, n, _ := b.List(t.Context(), operator, Filter{All: true}); n != 0 {
		t.Error("expected no request of what did not happen")
	}
}
