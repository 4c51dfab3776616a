package dsar

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Bad input: each line asserts the field and the sentence that a person sees,
// and that nothing typed is repeated.
func TestSubmissionsThatCannotBeTakenIn(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	for _, tc := range []struct {
		name   string
		actor  Actor
		change func(*Submission)
		field  string
		says   string
	}{
		{"unknown controller", operator, func(s *Submission) { s.Controller = "nobody" }, "controller", "no such organisation"},
		{"unknown kind", dpo, func(s *Submission) { s.Kind = "deletion" }, "kind", "access, export or erasure"},
		{"unknown policy", dpo, func(s *Submission) { s.Policy = "everything" }, "policy", "no such policy"},
		{"policy of another kind", dpo, func(s *Submission) { s.Policy = "names-only" }, "policy", "no such policy"},
		{"unknown identity type", dpo, func(s *Submission) { s.Identities = []Identity{{"passport", "X1"}} }, "identities", "known are email, phone, visitor"},
		{"no identity", dpo, func(s *Submission) { s.Identities = nil }, "identities", "at least one identity"},
		{"empty identity", dpo, func(s *Submission) { s.Identities = []Identity{{"email", "  "}} }, "email", "empty"},
		{"eleven identities", dpo, func(s *Submission) {
			for range 11 {
				s.Identities = append(s.Identities, Identity{"email", "a@example.org"})
			}
		}, "identities", "At most 10"},
		{"no address", dpo, func(s *Submission) { s.Identities = []Identity{{"email", "secretvalue"}} }, "email", "exactly one @, as in name@example.org"},
		{"301 characters", dpo, func(s *Submission) {
			s.Identities = []Identity{{"email", "secretvalue@" + strings.Repeat("x", 300)}}
		}, "email", "too long"},
		{"300 characters", dpo, func(s *Submission) {
			s.Identities = []Identity{{"email", strings.Repeat("s", 290) + "@x.example"}}
		}, "email", "longer than 254 characters"},
		{"quotes", dpo, func(s *Submission) { s.Identities = []Identity{{"email", `"secretvalue"@x.org`}} }, "email", "give the address alone"},
		{"percent in the domain", dpo, func(s *Submission) { s.Identities = []Identity{{"email", "secretvalue@x%00.org"}} }, "email", "no domain"},
		{"emoji and a blank in the domain", dpo, func(s *Submission) { s.Identities = []Identity{{"email", "secretvalue@🙂 .org"}} }, "email", "no domain"},
		{"CR LF in an address", dpo, func(s *Submission) { s.Identities = []Identity{{"email", "secretvalue@x.org\r\nBcc: y@z.org"}} }, "email", "control character"},
		{"NUL", dpo, func(s *Submission) { s.Identities = []Identity{{"visitor", "secret\x00value"}} }, "visitor", "control character"},
		{"a name that turns the direction of what follows it", person, func(s *Submission) {
			s.Requester = Requester{As: "lawyer", Name: "secretvalue \u202e", Address: "l@law.example"}
		}, "requester_name", "direction of writing"},
		{"not UTF-8", dpo, func(s *Submission) { s.Identities = []Identity{{"visitor", "secretvalue\xff"}} }, "visitor", "UTF-8"},
		{"no telephone number", dpo, func(s *Submission) { s.Identities = []Identity{{"phone", "secretvalue"}} }, "phone", "no telephone number, as in"},
		{"unknown requester", dpo, func(s *Submission) { s.Requester.As = "neighbour" }, "requester", "Choose who asks"},
		{"parent without a name", dpo, func(s *Submission) { s.Requester.As = "parent" }, "requester_name", "Give the name"},
		{"parent without an address", dpo, func(s *Submission) { s.Requester.As = "parent" }, "requester_address", "Give the mail address"},
		{"lawyer with a bad address", dpo, func(s *Submission) { s.Requester = Requester{As: "lawyer", Name: "J", Address: "secretvalue"} }, "requester_address", "exactly one @, as in name@example.org"},
		{"mandate said by the public", person, func(s *Submission) {
			s.Channel, s.Requester = "form", Requester{As: "lawyer", Name: "J", Address: "j@law.example", Mandate: "power of attorney"}
		}, "mandate", "once it has seen it"},
		{"mandate that names the lawyer", dpo, func(s *Submission) {
			s.Requester = Requester{As: "lawyer", Name: "secretvalue", Address: "j@law.example", Mandate: "mandate of secretvalue"}
		}, "mandate", "Leave addresses"},
		{"verified lawyer without a mandate", dpo, func(s *Submission) {
			s.Verified, s.Requester = "seen", Requester{As: "lawyer", Name: "J", Address: "j@law.example"}
		}, "mandate", "which mandate you have seen"},
		{"a name beside oneself", dpo, func(s *Submission) { s.Requester.Name = "secretvalue" }, "requester", "choose who that is"},
		{"mandate of oneself", dpo, func(s *Submission) { s.Requester.Mandate = "power of attorney" }, "mandate", "needs no mandate"},
		{"unknown delivery", dpo, func(s *Submission) { s.Delivery = "pigeon" }, "delivery", "link, attachment or hand"},
		{"attachment asked by the public", person, func(s *Submission) { s.Channel, s.Delivery = "form", "attachment" }, "delivery", "does not send archives as attachments"},
		{"verified by the public", person, func(s *Submission) { s.Channel, s.Verified = "form", "trust me" }, "verified", "Only the organisation itself"},
		{"verified with the address", dpo, func(s *Submission) { s.Verified = "he wrote from a@example.org" }, "verified", "Leave"},
		{"received said by the public", person, func(s *Submission) { s.Channel, s.ReceivedAt = "form", instant(t, "2026-06-01") }, "received_at", "Only the organisation itself"},
		{"received tomorrow", dpo, func(s *Submission) { s.ReceivedAt = instant(t, "2026-06-06") }, "received_at", "future"},
		{"received ages ago", dpo, func(s *Submission) { s.ReceivedAt = instant(t, "2016-06-06") }, "received_at", "five years"},
		{"a language that is none", dpo, func(s *Submission) { s.Language = "../etc" }, "language", "code"},
		{"unknown channel", dpo, func(s *Submission) { s.Channel = "fax" }, "channel", "form, console, cli"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sub := ask(datamap.Access, "email", "a@example.org")
			tc.change(&sub)
			_, err := b.Submit(t.Context(), tc.actor, sub)
			got := fields(err)
			if got[tc.field] == "" || !strings.Contains(got[tc.field], tc.says) {
				t.Errorf("expected the field %s to say %q, got %v (%v)", tc.field, tc.says, got, err)
			}
			for field, sentence := range got {
				if strings.Contains(sentence, "secret") || !strings.HasSuffix(sentence, ".") {
					t.Errorf("expected a sentence for %s that repeats nothing, got %q", field, sentence)
				}
			}
		})
	}
	if _, n, err := b.List(t.Context(), operator, Filter{All: true}); err != nil || n != 0 {
		t.Errorf("expected no request from bad input, got %d, %v", n, err)
	}
}

// What looks odd and is right.
func TestSubmissionsThatCan(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	for name, sub := range map[string]Submission{
		"quote and percent": ask(datamap.Access, "email", "o'neil%x@example.org"),
		"emoji":             ask(datamap.Access, "visitor", "vi🙂"),
		"emoji in a name":   ask(datamap.Access, "email", "🙂@example.org"),
		"IDN":               ask(datamap.Access, "email", "jana@háčky.example"),
		"IDN as ASCII":      ask(datamap.Access, "email", "jana@xn--bcher-kva.example"),
		"trailing newline":  ask(datamap.Access, "email", "a@example.org\r\n"),
		"as Fides spells":   ask(datamap.Access, "phone_number", "+420 601 234 567"),
		"own policy":        {Controller: "bota", Kind: datamap.Erasure, Policy: "names-only", Channel: "cli", Identities: []Identity{{"email", "a@example.org"}}},
	} {
		if _, err := b.Submit(t.Context(), dpo, sub); err != nil {
			t.Errorf("%s: expected the request to be taken in, got %v %v", name, err, fields(err))
		}
	}
}

func TestDisagreeing(t *testing.T) {
	t.Parallel()
	row := func(proved bool, person map[string]string) RootRow {
		r := RootRow{Source: "crm", Proved: proved, Person: person}
		r.Collection = "crm.people"
		return r
	}
	for _, tc := range []struct {
		name string
		rows []RootRow
		want bool
	}{
		{"one row", []RootRow{row(true, map[string]string{"name": "A"})}, false},
		{"same person twice", []RootRow{row(true, map[string]string{"name": "A"}), row(true, map[string]string{"name": "A", "phone": "1"})}, false},
		{"other spelling", []RootRow{row(true, map[string]string{"name": "A"}), row(true, map[string]string{"name": "a"})}, true},
		{"an address in capitals", []RootRow{row(true, map[string]string{"mail": "A.B@x.example"}), row(true, map[string]string{"mail": "a.b@X.example"})}, false},
		{"another address", []RootRow{row(true, map[string]string{"mail": "a@x.example"}), row(true, map[string]string{"mail": "b@x.example"})}, true},
		{"no field in common", []RootRow{row(true, map[string]string{"name": "A"}), row(true, map[string]string{"phone": "1"})}, false},
		{"the other not proved", []RootRow{row(true, map[string]string{"name": "A"}), row(false, map[string]string{"name": "B"})}, false},
		{"empty is no value", []RootRow{row(true, map[string]string{"name": ""}), row(true, map[string]string{"name": "B"})}, false},
	} {
		if got := disagreeing(tc.rows); got != tc.want {
			t.Errorf("%s: expected %t, got %t", tc.name, tc.want, got)
		}
	}
}
