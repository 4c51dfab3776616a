package mail

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// What the owner of a source is told, in both forms: never whom it is about.
func TestLettersToOwners(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind    string
		request datamap.Kind
		late    bool
		want    []string
		subject string
	}{
		{"ask", datamap.Access, false, []string{"a copy of everything that is held about them (Article 15 GDPR)", "Hand over copies", "paper files of applicants", "by 1 December 2026", "do not pass the link on"}, "Bota Shop: your help with a data-subject request (no. 17), by 1 December 2026"},
		{"ask", datamap.Erasure, false, []string{"the erasure of everything", "Erase or destroy", "what was done and by whom"}, "Bota Shop: your help with a data-subject request (no. 17), by 1 December 2026"},
		{"ask_again", datamap.Access, false, []string{"It is due by 1 December 2026"}, "Bota Shop: your help with a data-subject request (no. 17), by 1 December 2026"},
		{"ask_again", datamap.Access, true, []string{"It was due by 1 December 2026", "cannot be kept without you"}, "Bota Shop: overdue, your help with a data-subject request (no. 17), by 1 December 2026"},
	} {
		l := letter(tc.kind)
		l.RequestKind, l.Late, l.Holds, l.Recipient = tc.request, tc.late, "paper files of applicants", "HR desk"
		l.Reason, l.Kept, l.StatusLink, l.Findings = "", nil, "", nil
		r, flat, page := rendering(t, l)
		html := oneLine(page.Find("body").Text())
		for _, w := range append(tc.want, "To HR desk", "dpo@bota.example") {
			if !strings.Contains(flat, w) || !strings.Contains(html, w) {
				t.Errorf("%s of %s: expected %q in both forms; the text reads:\n%s", tc.kind, tc.request, w, r.Text)
			}
		}
		if r.Subject != tc.subject {
			t.Errorf("%s: expected the subject %q, got %q", tc.kind, tc.subject, r.Subject)
		}
		if page.Find(`a[href="`+l.Link+`"]`).Length() == 0 || !strings.Contains(r.Text, "\n"+l.Link+"\n") {
			t.Errorf("%s: expected the link in both forms", tc.kind)
		}
		for _, form := range []string{flat, html, r.Subject} {
			if strings.Contains(form, "jana") || strings.Contains(form, "withdraw") {
				t.Errorf("%s: expected nothing of the person, and nothing that is theirs to do, got %s", tc.kind, form)
			}
		}
	}
}

func TestErasedByHand(t *testing.T) {
	t.Parallel()
	l := letter("erased")
	l.Findings, l.Kept, l.ByHand = nil, nil, []string{"Paper files of applicants (HR desk)"}
	r, flat, page := rendering(t, l)
	for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
		if !strings.Contains(form, "Erased by hand") || !strings.Contains(form, "Paper files of applicants (HR desk)") || strings.Contains(form, "Nothing had to be changed") {
			t.Errorf("expected the letter to name what was erased by hand; it reads:\n%s", r.Text)
		}
	}
}

// A letter that says what is kept, and why, does not say beside it that nothing was there.
func TestOnlyWhatStays(t *testing.T) {
	t.Parallel()
	for part, findings := range map[string][]source.Finding{
		"Article 17(3)":                     {{Collection: "shop.invoices", Held: 2}},
		"other people use them":             {{Collection: "livechat.visits", Shared: 4}},
		"what you asked to have erased was": {{Collection: "livechat.visits"}},
	} {
		l := letter("erased")
		l.Findings, l.Kept = findings, nil
		_, flat, page := rendering(t, l)
		for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
			nothing := strings.Contains(form, "Nothing had to be changed")
			if !strings.Contains(form, part) || nothing != (findings[0].Held+findings[0].Shared == 0) {
				t.Errorf("expected the letter to say %q, and only where nothing stays that nothing was there; it reads:\n%s", part, form)
			}
		}
	}
}
