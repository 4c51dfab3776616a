package dsar

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Where letters go (rule 5 of "What always holds").
func TestAddress(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	stored := map[string]string{"name": "Mike"}

	counter := b.submit(t, dpo, verified(ask(datamap.Access, "email", "typed@example.org")))
	if to := b.addressOf(t, counter.ID); to != "typed@example.org" {
		t.Errorf("verified by the DPO, found nowhere: expected the typed address, got %q", to)
	}
	b.done(t, counter.ID, "discover", personRow("1", "Typed@Example.org", stored, "email"))
	if to := b.addressOf(t, counter.ID); to != "Typed@Example.org" {
		t.Errorf("found: expected the stored bytes, got %q", to)
	}

	link := b.submit(t, dpo, ask(datamap.Access, "email", "stranger@example.org", "phone", "+420602123456"))
	if to := b.addressOf(t, link.ID); to != "" {
		t.Errorf("not proved, not found: expected no address, got %q", to)
	}
	if _, err := b.Confirm(t.Context(), b.confirmLink(t, link.ID, 0)); err != nil {
		t.Fatal(err)
	}
	if to := b.addressOf(t, link.ID); to != "stranger@example.org" {
		t.Errorf("nothing found at all: expected the confirmed address to be told so, got %q", to)
	}
	byPhone := b.submit(t, dpo, verified(ask(datamap.Access, "phone", "+420602123456")))
	b.done(t, byPhone.ID, "discover", personRow("9", "beside@example.org", nil, "phone"))
	if to := b.addressOf(t, byPhone.ID); to != "beside@example.org" {
		t.Errorf("found by the telephone: expected the only address in the row found, got %q", to)
	}
	b.done(t, byPhone.ID, "discover", personRow("10", "another@example.org", nil, "phone"))
	if to := b.addressOf(t, byPhone.ID); to != "" {
		t.Errorf("found by the telephone with two addresses: expected the DPO to choose, got %q", to)
	}
	b.done(t, link.ID, "discover", source.Root{Source: "crm", RowKey: source.RowKey{Collection: "crm.people", Key: "9"}, Types: []string{"phone"}})
	if to := b.addressOf(t, link.ID); to != "" {
		t.Errorf("found by the telephone only: expected no letter to an address that stands nowhere, got %q", to)
	}
	b.inTx(t, func(tx pgx.Tx) error {
		var step int64
		err := tx.QueryRow(t.Context(), `SELECT id FROM steps WHERE request_id = $1 AND stage = 'discover' AND source = 'crm'`, link.ID).Scan(&step)
		if err != nil {
			return err
		}
		cipher, err := b.sealJSON(place(stepOf, step), discoverNote{Reached: []string{"only@example.org"}})
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `UPDATE steps SET note_cipher = $2 WHERE id = $1`, step, cipher)
		return err
	})
	if to := b.addressOf(t, link.ID); to != "only@example.org" {
		t.Errorf("expected the only address reached, got %q", to)
	}
}

// What is not theirs does not exist for them; who may only look, only looks.
func TestAccess(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "a@example.org"))).ID
	acts := map[string]func(Actor) error{
		"approve":  func(a Actor) error { return b.Approve(t.Context(), a, id, Approval{}) },
		"refuse":   func(a Actor) error { return b.Refuse(t.Context(), a, id, "No.") },
		"extend":   func(a Actor) error { return b.Extend(t.Context(), a, id, "Later.") },
		"withdraw": func(a Actor) error { return b.Withdraw(t.Context(), a, id) },
		"verify":   func(a Actor) error { return b.Verify(t.Context(), a, id, 1, "seen") },
	}
	for name, act := range acts {
		if err := act(stranger); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s by another controller's staff: expected ErrNotFound, got %v", name, err)
		}
		if err := act(reader); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s by a reader: expected ErrForbidden, got %v", name, err)
		}
	}
	if _, err := b.Get(t.Context(), stranger, id); !errors.Is(err, ErrNotFound) {
		t.Errorf("read by another controller's staff: expected ErrNotFound, got %v", err)
	}
	if _, err := b.Get(t.Context(), dpo, id+1); !errors.Is(err, ErrNotFound) {
		t.Errorf("a request that is not there: expected ErrNotFound, got %v", err)
	}
	if _, err := b.Get(t.Context(), reader, id); err != nil {
		t.Errorf("read by a reader: expected no error, got %v", err)
	}
	if list, n, err := b.List(t.Context(), stranger, Filter{All: true}); err != nil || n != 0 || len(list) != 0 {
		t.Errorf("expected another controller's staff to list nothing, got %d, %v", n, err)
	}
	if _, err := b.Submit(t.Context(), reader, ask(datamap.Access, "email", "a@example.org")); !errors.Is(err, ErrForbidden) {
		t.Errorf("submit by a reader: expected ErrForbidden, got %v", err)
	}
	if _, err := b.Submit(t.Context(), stranger, ask(datamap.Access, "email", "a@example.org")); fields(err)["controller"] == "" {
		t.Errorf("submit to another's controller: expected a sentence about the controller, got %v", err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	late := b.submitted(t, "late@example.org")
	early := ask(datamap.Erasure, "email", "early@example.org")
	early.ReceivedAt = instant(t, "2026-05-20")
	first := b.submit(t, dpo, early).ID
	gone := b.submitted(t, "gone@example.org")
	if err := b.Withdraw(t.Context(), dpo, gone); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		filter Filter
		want   []int64
		total  int
	}{
		{"open ones by due day", Filter{}, []int64{first, late}, 2},
		{"all", Filter{All: true}, []int64{first, late, gone}, 3},
		{"by kind", Filter{Kind: datamap.Erasure}, []int64{first}, 1},
		{"by status", Filter{Statuses: []Status{Withdrawn}}, []int64{gone}, 1},
		{"due before", Filter{DueBefore: instant(t, "2026-06-30")}, []int64{first}, 1},
		{"second page", Filter{Limit: 1, Offset: 1}, []int64{late}, 2},
		{"another controller", Filter{Controller: "uhr"}, nil, 0},
	} {
		list, total, err := b.List(t.Context(), dpo, tc.filter)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		var got []int64
		for _, q := range list {
			got = append(got, q.ID)
			if q.Identities != nil || q.Steps != nil {
				t.Errorf("%s: expected a list without identities and steps", tc.name)
			}
		}
		if !slices.Equal(got, tc.want) || total != tc.total {
			t.Errorf("%s: expected %v of %d, got %v of %d", tc.name, tc.want, tc.total, got, total)
		}
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	b.crm.found = source.Found{
		Findings: []source.Finding{{Collection: "crm.people", Rows: 1}},
		Roots:    []source.Root{personRow("1", "a@example.org", nil, "email")},
	}
	asked := Submission{Controller: "bota", Kind: datamap.Access, Identities: []Identity{{"email", "a@example.org"}}}
	found, err := b.Preview(t.Context(), reader, asked)
	if err != nil || len(found.Findings) != 1 || found.Findings[0].Source != "crm" || len(found.Roots) != 1 {
		t.Errorf("expected what the source found, got %+v, %v", found, err)
	}
	narrow := asked
	narrow.Fields = map[string]string{"branch": " Brno "}
	if _, err := b.Preview(t.Context(), reader, narrow); err != nil || b.crm.asked["branch"] != "Brno" {
		t.Errorf("expected the field to narrow the search, got %v, %v", b.crm.asked, err)
	}
	narrow.Fields = map[string]string{"brnch": "Brno"}
	if _, err := b.Preview(t.Context(), reader, narrow); fields(err)["fields"] == "" {
		t.Errorf("a field that the map does not know: expected a sentence about it, got %v", err)
	}
	if _, n, _ := b.List(t.Context(), operator, Filter{All: true}); n != 0 {
		t.Error("expected a preview to leave no request behind")
	}
	if _, err := b.Preview(t.Context(), stranger, asked); fields(err)["controller"] == "" {
		t.Errorf("preview of another's controller: expected a sentence about the controller, got %v", err)
	}
	b.crm.err = errors.New("value a@example.org is bad")
	_, err = b.Preview(t.Context(), dpo, asked)
	if err == nil || !strings.Contains(err.Error(), "source crm") || strings.Contains(err.Error(), "a@example") {
		t.Errorf("expected an error that names the source and not the identity, got %v", err)
	}
	b.crm.err = &pgconn.PgError{Code: "28P01", Message: "password of a@example.org"}
	var notNow *NotNow
	const sentence = "The source crm does not let Lethe in. Check its user and password in lethe.yaml."
	if _, err = b.Preview(t.Context(), dpo, asked); !errors.As(err, &notNow) || notNow.Sentence != sentence {
		t.Errorf("expected %q, got %v", sentence, err)
	}
}
