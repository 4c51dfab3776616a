package postgres_test

import (
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

func TestOneAddressTwoContacts(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := realChat(t)
		s := sourceOf(t, pool, "livechat", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Scope: "1", Seeds: seeds("email", "png1@example.org")}
		found, err := s.Find(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, r := range found.Roots {
			keys = append(keys, r.Key)
		}
		if !slices.Equal(keys, []string{"1", "608"}) {
			t.Fatalf("expected contacts 1 and 608 for one address in two spellings, got %v", keys)
		}
		if got := found.Roots[1].Stored["email"]; got != "PNG1@EXAMPLE.ORG" {
			t.Errorf("expected the bytes as they stand in contact 608, got %q", got)
		}
		if found.Roots[0].Person["name"] == found.Roots[1].Person["name"] {
			t.Errorf("expected names that tell the two apart, got %v and %v", found.Roots[0].Person, found.Roots[1].Person)
		}
		// Independent SQL, by hand from the meaning of the tables.
		mine := `(SELECT id FROM visitors WHERE contact_id IN (1, 608) AND account_id = 1)`
		talk := `(SELECT id FROM conversations WHERE account_id = 1 AND (contact_id IN (1, 608) OR contact_id IS NULL AND visitor_id IN ` + mine + `))`
		for name, sql := range map[string]string{
			"contacts":      `SELECT 2`,
			"visitors":      `SELECT count(*) FROM ` + mine + ` v`,
			"visits":        `SELECT count(*) FROM visits WHERE visitor_id IN ` + mine,
			"identifiers":   `SELECT count(*) FROM identifiers WHERE visitor_id IN ` + mine,
			"consents":      `SELECT count(*) FROM consents WHERE visitor_id IN ` + mine,
			"conversations": `SELECT count(*) FROM ` + talk + ` c`,
			"messages":      `SELECT count(*) FROM messages WHERE conversation_id IN ` + talk,
			"attachments":   `SELECT count(*) FROM attachments WHERE message_id IN (SELECT id FROM messages WHERE conversation_id IN ` + talk + `)`,
		} {
			f, ok := by(found.Findings)[name]
			if want := number(t, pool, sql); !ok || f.Rows+f.Shared != want {
				t.Errorf("%s: expected %d rows as by independent SQL, got %+v", name, want, f)
			}
		}
		w.Restricted, w.Roots = true, []source.RowKey{{Collection: "livechat.contacts", Key: "1"}}
		if found, err = s.Find(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if f := by(found.Findings)["contacts"]; f.Rows != 1 {
			t.Errorf("expected contact 608 left alone once contact 1 is ticked, got %+v", f)
		}
	})
}

func TestABrowserOfTwoContacts(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := realChat(t)
		s := sourceOf(t, pool, "livechat", o)
		others := func() int64 {
			return number(t, pool, `SELECT
				(SELECT count(*) FROM conversations WHERE contact_id = 609) + (SELECT count(*) FROM contacts WHERE id = 609) * 100 +
				(SELECT count(*) FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE contact_id = 609)) * 1000`)
		}
		var address, scope string
		if err := pool.QueryRow(t.Context(), "SELECT lower(email), account_id::text FROM contacts WHERE id = 556").Scan(&address, &scope); err != nil {
			t.Fatal(err)
		}
		before := others()
		stranger := number(t, pool, "SELECT count(*) FROM visits WHERE account_id::text <> $1", scope)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Scope: scope, Seeds: seeds("email", address)}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if after := others(); after != before || before < 1101 {
			t.Errorf("expected contact 609's conversation and messages to stay: %d before, %d after", before, after)
		}
		if n := number(t, pool, "SELECT count(*) FROM conversations WHERE contact_id = 556"); n != 0 {
			t.Errorf("expected contact 556's conversations gone, %d are left", n)
		}
		if n := number(t, pool, "SELECT count(*) FROM contacts WHERE id = 556 AND num_nonnulls(name, surname, email, phone, social_account, note) > 0"); n != 0 {
			t.Error("expected contact 556 deleted or emptied")
		}
		if n := number(t, pool, "SELECT count(*) FROM visits WHERE account_id::text <> $1", scope); n != stranger {
			t.Errorf("expected other controllers' visits untouched: %d before, %d after", stranger, n)
		}
		if f := by(done.Findings)["visitors"]; f.Shared != number(t, pool, "SELECT count(*) FROM visitors WHERE id = 'viXABuKoV3g8i' AND contact_id = 556") {
			t.Errorf("expected the browser of two contacts to be shared, if it is 556's, got %+v", f)
		}
		left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range left.Findings {
			if f.Rows != 0 {
				t.Errorf("expected nothing left to erase, got %+v", f)
			}
		}
	})
}
