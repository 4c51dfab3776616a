package mail

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

func rendering(t *testing.T, l dsar.Letter) (r rendered, flat string, page *goquery.Document) {
	t.Helper()
	ls, err := loadLetters()
	if err != nil {
		t.Fatal(err)
	}
	if r, err = ls.render(l); err != nil {
		t.Fatal(err)
	}
	if page, err = goquery.NewDocumentFromReader(strings.NewReader(r.HTML)); err != nil {
		t.Fatal(err)
	}
	return r, oneLine(r.Text), page
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// What the law or the reader needs each letter to say, in both of its forms.
func TestWhatLettersSay(t *testing.T) {
	t.Parallel()
	remedies := []string{"complain to a supervisory authority", "Article 77", "Article 79", "Sochora 27"}
	for kind, want := range map[string][]string{
		"confirm":   {"on 1 November 2026 we were asked for the erasure", "Opening the page does nothing by itself", "Was it not you?", "by 1 December 2026", "8 November 2026, 13:00 (Europe/Prague)"},
		"remind":    {"has not been confirmed yet", "will not remind you again", "Opening the page does nothing"},
		"archive":   {"ZIP file", "index.html", "The link works until 8 November 2026, 13:00", "Do not pass the link on"},
		"erased":    append([]string{"contacts (livechat): 1 entry", "chat messages (livechat): 3 entries", "invoices (shop): 2 entries", "Article 17(3)", "visits (livechat): 4 entries", "bookkeeping law", "Article 19", "in the browser's settings"}, remedies...),
		"nothing":   append([]string{"We hold nothing about you"}, remedies...),
		"refused":   append([]string{"We could not tell who you are.", "Please come in person.", "judicial remedy", "Article 12(4)"}, remedies...),
		"extended":  append([]string{"We could not tell who you are.", "by 1 December 2026", "Article 12(3)"}, remedies...),
		"withdrawn": {"withdrawn", "new request at any time"},
		"notice":    {"To Smartlook.com, s.r.o.", "Article 19 GDPR", "no. 17", "Please confirm"},
	} {
		l := letter(kind)
		r, flat, page := rendering(t, l)
		html := oneLine(page.Find("body").Text())
		for _, w := range append(want, "Bota Shop", "dpo@bota.example", "Dlouhá 1") {
			if !strings.Contains(flat, w) {
				t.Errorf("%s: the text should hold %q; it reads:\n%s", kind, w, r.Text)
			}
			if !strings.Contains(html, w) {
				t.Errorf("%s: the HTML should hold %q; it reads:\n%s", kind, w, html)
			}
		}
		// Only an open request can be withdrawn.
		open := kind == "confirm" || kind == "remind" || kind == "extended"
		for _, form := range []string{flat, html} {
			if got := strings.Contains(form, ", or withdraw it"); got != open {
				t.Errorf("%s: withdrawing should be offered: %v, it is: %v", kind, open, got)
			}
		}
		if page.Find("h1").Length() != 1 {
			t.Errorf("%s: the HTML should have one heading", kind)
		}
		if r.Subject == "" || strings.Contains(r.Subject, "jana") || !strings.Contains(r.Subject, "no. 17") || !strings.Contains(r.Subject, "Bota Shop") {
			t.Errorf("%s: a subject with controller and number, and nothing of the person, was expected; got %q", kind, r.Subject)
		}
		link := kind == "confirm" || kind == "remind" || kind == "archive"
		if got := page.Find(`a[href="`+l.Link+`"]`).Length() > 0; got != link || strings.Contains(r.Text, "\n"+l.Link+"\n") != link {
			t.Errorf("%s: link in it: %v expected", kind, link)
		}
		if status := page.Find(`a[href="`+l.StatusLink+`"]`).Length() > 0; status != (kind != "notice") || strings.Contains(r.Text, l.StatusLink) != status {
			t.Errorf("%s: the status link belongs in letters to the subject, and in these only", kind)
		}
		if n := page.Find("img, script, link, iframe, style").Length(); n != 0 {
			t.Errorf("%s: nothing to be loaded or run was expected, found %d", kind, n)
		}
		for _, line := range strings.Split(r.Text, "\n") {
			if utf8.RuneCountInString(line) > width && !strings.Contains(line, "://") {
				t.Errorf("%s: lines of at most %d characters expected, this has more: %q", kind, width, line)
			}
		}
		if strings.Contains(r.Text, "\n\n\n") || strings.Contains(flat, " .") || strings.Contains(flat, "..") || strings.Contains(flat, "<no value>") {
			t.Errorf("%s: the text has gaps:\n%s", kind, r.Text)
		}
	}
}

// TestNotices: one mail may tell of several erasures, each by its number and by
// what the reader finds the person.
func TestNotices(t *testing.T) {
	t.Parallel()
	l := letter("notice")
	_, flat, _ := rendering(t, l)
	if !strings.Contains(flat, "no. 17. The data concerned: email: jana.novakova@example.org phone: +420601000001 Please confirm") {
		t.Errorf("expected one person by their identities, got:\n%s", flat)
	}
	l.Notices = append(l.Notices, dsar.Notice{RequestID: 19}, dsar.Notice{RequestID: 23, Named: "cookie: <b>\"1\"</b>"})
	r, flat, page := rendering(t, l)
	if r.Subject != "Bota Shop: notice of 3 erasures under Article 19 GDPR (no. 17 to 23)" {
		t.Errorf("expected the subject to tell how many, got %q", r.Subject)
	}
	for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
		for _, w := range []string{"request of 3 persons", "no. 17", "jana.novakova@example.org", "no. 19", "(not named)", "no. 23", `cookie: <b>"1"</b>`, "Ask dpo@bota.example with the reference"} {
			if !strings.Contains(form, w) {
				t.Errorf("expected %q in:\n%s", w, form)
			}
		}
	}
	l.Notices = []dsar.Notice{{RequestID: 17}}
	if _, flat, _ = rendering(t, l); !strings.Contains(flat, "Our reference: no. 17. Where this mail does not name the person") {
		t.Errorf("expected a notice without a name to give the reference, got:\n%s", flat)
	}
}

// TestPseudonymisedIsNotCalledRemoved: what a key can tell again is named as such.
func TestPseudonymisedIsNotCalledRemoved(t *testing.T) {
	t.Parallel()
	l := letter("erased")
	l.Findings = append(l.Findings, source.Finding{Collection: "shop.orders", Masked: 2})
	l.Coded = map[string]bool{"shop.orders": true}
	_, flat, page := rendering(t, l)
	for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
		removed, codes := strings.Index(form, "removed:"), strings.Index(form, "Article 4(5) GDPR")
		messages, orders := strings.Index(form, "chat messages (livechat): 3 entries"), strings.Index(form, "orders (shop): 2 entries")
		if removed < 0 || codes < removed || messages < removed || messages > codes || orders < codes {
			t.Errorf("expected the messages as removed and the orders as pseudonymised, got:\n%s", form)
		}
	}
	l.Findings = l.Findings[len(l.Findings)-1:]
	if _, flat, _ = rendering(t, l); strings.Contains(flat, "removed") || strings.Contains(flat, "Nothing had to be changed") {
		t.Errorf("expected nothing to be called removed, got:\n%s", flat)
	}
}

// TestWhatRemainsInAnEntryIsNotCalledRemoved: a field that the map preserves in a
// masked row is named, and the erasure is done in part.
func TestWhatRemainsInAnEntryIsNotCalledRemoved(t *testing.T) {
	t.Parallel()
	l := letter("erased")
	l.Findings, l.Kept = []source.Finding{{Collection: "shop.people", Rows: 1, Masked: 1}, {Collection: "shop.places", Rows: 2, Masked: 2}}, nil
	l.Remains = map[string][]string{"shop.people": {"birth date", "gender"}}
	r, flat, page := rendering(t, l)
	if !strings.HasSuffix(r.Subject, "done in part") {
		t.Errorf("expected the erasure to be done in part, got the subject %q", r.Subject)
	}
	for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
		for _, want := range []string{"with part of your personal data in it removed:", "people (shop): 1 entry, in which this stays: birth date, gender", "places (shop): 2 entries"} {
			if !strings.Contains(form, want) {
				t.Errorf("expected it to say %q, got:\n%s", want, form)
			}
		}
	}
}

// TestWhatThePolicyDoesNotTakeIsTold: rows of which nothing was changed, and in which
// something personal stands; not those without.
func TestWhatThePolicyDoesNotTakeIsTold(t *testing.T) {
	t.Parallel()
	l := letter("erased")
	l.Findings, l.Kept = []source.Finding{
		{Collection: "shop.people", Rows: 3, Masked: 1, Held: 1}, {Collection: "shop.visits", Rows: 2}, {Collection: "shop.counters", Rows: 4},
	}, nil
	l.Remains = map[string][]string{"shop.people": {"birth date"}, "shop.visits": {"seen from"}}
	r, flat, page := rendering(t, l)
	if !strings.HasSuffix(r.Subject, "done in part") {
		t.Errorf("expected the erasure to be done in part, got the subject %q", r.Subject)
	}
	const said = "Left as it is, because our rules for such a request do not take it:"
	const people, visits = "people (shop): 1 entry, in which this stays: birth date", "visits (shop): 2 entries, in which this stays: seen from"
	if want := said + " - " + people + " - " + visits + " Kept, and why:"; !strings.Contains(flat, want) {
		t.Errorf("expected the text to say %q, got:\n%s", want, flat)
	}
	if got := page.Find("p:contains('" + said + "') + ul").Text(); got != people+visits {
		t.Errorf("expected the HTML to list the same, got %q", got)
	}
	l.Findings = l.Findings[1:]
	if r, flat, _ = rendering(t, l); !strings.HasSuffix(r.Subject, "not possible") || strings.Contains(flat, "no longer there") {
		t.Errorf("expected an erasure that the policy made one of nothing to be called so, got %q:\n%s", r.Subject, flat)
	}
}

// TestRowsThatStayAreTold: what one that must stay names has a place of its own.
func TestRowsThatStayAreTold(t *testing.T) {
	t.Parallel()
	l := letter("erased")
	const said = "Kept as an entry, because one that must stay names it:"
	if _, flat, _ := rendering(t, l); strings.Contains(flat, said) {
		t.Errorf("expected nothing of entries that are named where there are none, got:\n%s", flat)
	}
	l.Findings = append(l.Findings, source.Finding{Collection: "shop.orders", Rows: 4, Erased: 1, Stays: 3})
	_, flat, page := rendering(t, l)
	if want := said + " - orders (shop): 3 entries Kept, and why:"; !strings.Contains(flat, want) {
		t.Errorf("expected the text to say %q, got:\n%s", want, flat)
	}
	if got := page.Find("p:contains('" + said + "') + ul").Text(); got != "orders (shop): 3 entries" {
		t.Errorf("expected the HTML to list the orders that stay, got %q", got)
	}
}

// TestWhatBecameOfAnErasure: a letter calls done what was done, and nothing else.
// What was not done is told with its reasons and the remedies (Art. 12(4)), and
// of recipients only that they are told who were (Art. 19).
func TestWhatBecameOfAnErasure(t *testing.T) {
	t.Parallel()
	const told, duty = "We tell those to whom we had passed the data on", "Where we had passed the data on to others, we have to tell them"
	const later = "What is kept for a legal claim or a duty is erased when that reason is gone."
	law := []string{"bills (shop): 2 entries, because the law obliges us (Article 17(3) GDPR)."}
	for name, c := range map[string]struct {
		change                  func(l *dsar.Letter)
		subject, heading, opens string
		says, not               []string
	}{
		"all done": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.people", Rows: 1, Erased: 1}, {Collection: "shop.wishes", Rows: 1, Masked: 1}}, nil
			l.Changed, l.Told = true, true
		}, "(no. 17): done", "Your request is done", "(Article 17 GDPR). This is done.", []string{told}, []string{duty, later, "in part", "12(4)"}},
		"nobody was told": {func(l *dsar.Letter) {
			l.Findings, l.Kept, l.Changed = []source.Finding{{Collection: "shop.people", Rows: 1, Erased: 1}}, nil, true
		}, "(no. 17): done", "Your request is done", "This is done.", []string{duty, "Ask us, and we name them to you, if there are any."}, []string{told}},
		"nothing was there any more": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.wishes", Rows: 1}}, nil
		}, "(no. 17): done", "Your request is done", "This is done.", []string{"Nothing had to be changed"}, []string{"Article 19"}},
		"a hold on some": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.people", Rows: 2, Erased: 1, Held: 1}}, nil
			l.Changed, l.Told = true, true
		}, "(no. 17): done in part", "Your request is done in part", "This is done in part. What stays, and why, stands below (Article 12(4) GDPR).", []string{told, later}, []string{"This is done."}},
		"others use some": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.people", Rows: 1, Erased: 1}, {Collection: "shop.places", Shared: 1}}, nil
			l.Changed = true
		}, "(no. 17): done in part", "Your request is done in part", "This is done in part.", []string{"places (shop): 1 entry: other people use it, too, and it was left"}, []string{later}},
		"some are named": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.orders", Rows: 4, Erased: 1, Stays: 3}}, nil
			l.Changed = true
		}, "(no. 17): done in part", "Your request is done in part", "This is done in part.", []string{"one that must stay names it"}, []string{later}},
		"a file was not there": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "files", Rows: 2, Missing: 2}, {Collection: "shop.papers", Rows: 2, Erased: 2}}, nil
			l.Changed = true
		}, "(no. 17): done", "Your request is done", "This is done.", []string{"Erased:", "Named by your entries, but no longer there:", "files: 2 entries"}, []string{"Nothing had to be changed"}},
		"codes are no erasure": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.orders", Rows: 1, Masked: 1}}, nil
			l.Coded, l.Changed = map[string]bool{"shop.orders": true}, true
		}, "(no. 17): done in part", "Your request is done in part", "This is done in part.", []string{"Article 4(5)"}, nil},
		"a law keeps them, masked": {func(l *dsar.Letter) {
			l.Findings, l.Kept, l.Changed = []source.Finding{{Collection: "shop.bills", Rows: 2, Kept: 2}}, law, true
		}, "(no. 17): done in part", "Your request is done in part", "This is done in part.", []string{later, duty}, nil},
		"all is held": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.people", Rows: 1, Held: 1}}, nil
		}, "(no. 17): not possible yet", "Your request cannot be carried out yet", "This could not be done yet, and nothing was erased. You have a right to know why (Article 12(4) GDPR).",
			[]string{"people (shop): 1 entry: it may not be erased yet", later, "how we answered"}, []string{"Article 19", "done.", "Copies in backups"}},
		"all is kept": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.bills", Rows: 2, Kept: 2}}, law
		}, "(no. 17): not possible yet", "Your request cannot be carried out yet", "This could not be done yet", []string{"because the law obliges us", later}, []string{"Article 19"}},
		"all is others', too": {func(l *dsar.Letter) {
			l.Findings, l.Kept = []source.Finding{{Collection: "shop.places", Shared: 1}}, nil
		}, "(no. 17): not possible", "Your request could not be carried out", "This could not be done, and nothing was erased.", []string{"other people use it"}, []string{"Article 19", "yet", later}},
	} {
		l := letter("erased")
		c.change(&l)
		r, flat, page := rendering(t, l)
		if !strings.HasSuffix(r.Subject, c.subject) || page.Find("h1").Text() != c.heading {
			t.Errorf("%s: expected the subject to end with %q and the heading %q, got %q and %q", name, c.subject, c.heading, r.Subject, page.Find("h1").Text())
		}
		for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
			for _, want := range append(c.says, c.opens, "Article 77", "Article 79", "Sochora 27") {
				if !strings.Contains(form, want) {
					t.Errorf("%s: expected it to say %q, got:\n%s", name, want, form)
				}
			}
			for _, not := range c.not {
				if strings.Contains(form, not) {
					t.Errorf("%s: expected it not to say %q, got:\n%s", name, not, form)
				}
			}
		}
	}
}

func TestConfirmDoesNotTellWhatIsOnRecord(t *testing.T) {
	t.Parallel()
	// It also goes to addresses that were found nowhere (DESIGN.md, rule 5).
	_, flat, _ := rendering(t, letter("confirm"))
	if strings.Contains(flat, "our records") {
		t.Error("the letter must not say that the address is on record")
	}
	// Nor that it was typed: a customer's number alone leads to one.
	if !strings.Contains(flat, "led to this address") || strings.Contains(flat, "address was given") {
		t.Error("the letter must not say that the address was given with the request")
	}
}

func TestKindsOfRequest(t *testing.T) {
	t.Parallel()
	for kind, want := range map[datamap.Kind]string{
		datamap.Access: "a copy of your personal data", datamap.Export: "in a form to take elsewhere", datamap.Erasure: "the erasure of your personal data",
	} {
		for _, of := range []string{"confirm", "archive", "nothing", "refused", "extended", "withdrawn", "remind"} {
			l := letter(of)
			l.RequestKind = kind
			if _, flat, _ := rendering(t, l); !strings.Contains(flat, want) {
				t.Errorf("%s of %s: %q expected", of, kind, want)
			}
		}
	}
}

func TestHTMLInEveryFieldStaysText(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert(1)</script>{{.To}}"'><img src=x onerror=1>`
	for _, kind := range kinds {
		l := letter(kind)
		l.Language = "../x"
		l.Controller = dsar.Controller{Name: evil, Address: evil, Registration: evil, DPO: evil, Authority: evil}
		l.Reason, l.Recipient, l.Kept, l.Link, l.StatusLink = evil, evil, []string{evil}, "javascript:alert(1)", `"><script>`
		l.Findings = []source.Finding{{Collection: evil + "." + evil, Erased: 1, Masked: 1, Held: 1, Shared: 1}}
		r, _, page := rendering(t, l)
		if n := page.Find("script, img").Length(); n != 0 {
			t.Errorf("%s: no element should come out of a value, found %d", kind, n)
		}
		page.Find("a").Each(func(_ int, a *goquery.Selection) {
			if strings.HasPrefix(strings.ToLower(a.AttrOr("href", "")), "javascript") {
				t.Errorf("%s: a link that runs something was not expected", kind)
			}
		})
		if !strings.Contains(r.Text, "{{.To}}") {
			t.Errorf("%s: template text in a value should stay as it is", kind)
		}
	}
}

func TestSparseLetters(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		r, flat, _ := rendering(t, dsar.Letter{Kind: kind, RequestID: 1, RequestKind: datamap.Access, Controller: dsar.Controller{Name: "Bota Shop"}})
		if strings.Contains(flat, "0001") || strings.Contains(flat, "write to .") || strings.Contains(flat, "on we") {
			t.Errorf("%s: an absent value should leave no hole:\n%s", kind, r.Text)
		}
	}
	ls, err := loadLetters()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ls.render(dsar.Letter{Kind: "unknown"}); err == nil {
		t.Error("an unknown kind should be an error")
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 30)
	got := fill("\n\n" + long + "\n\n\n\n- " + long + "\n    " + long + "\nhttps://example.org/" + strings.Repeat("x", 100) + " end\n\n")
	for i, line := range strings.Split(got, "\n") {
		if len(line) > width && !strings.HasPrefix(line, "https") {
			t.Errorf("line %d is longer than %d: %q", i+1, width, line)
		}
	}
	for _, want := range []string{"\n- word", "\n  word", "\n    word", "x\nend\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q expected in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\n\n\n") || strings.HasPrefix(got, "\n") {
		t.Errorf("no two empty lines in a row, and none at the start, were expected:\n%q", got)
	}
}

// Of a part that was asked for the letter claims nothing about the rest.
func TestAPartIsCalledAPart(t *testing.T) {
	t.Parallel()
	for kind, w := range map[string]string{
		"erased":  "visits (livechat): 4 entries: they are used, too, by what you did not ask to have erased, or by other people, and were left.",
		"archive": "here is the answer",
		"nothing": "We hold nothing of what you asked for, so there is nothing to erase.",
	} {
		l := letter(kind)
		l.Narrowed = []string{`of orders (shop) only entries with number “<b>”`}
		_, flat, page := rendering(t, l)
		for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
			if !strings.Contains(form, "You asked for a part only:") || !strings.Contains(form, l.Narrowed[0]) || !strings.Contains(form, w) {
				t.Errorf("%s: expected the part to be named, and %q, in:\n%s", kind, w, form)
			}
			if strings.Contains(form, "nothing about you") || strings.Contains(form, "other people use") {
				t.Errorf("%s: expected nothing to be said of what was not asked for, got:\n%s", kind, form)
			}
		}
	}
	for _, kind := range []string{"ask", "ask_again"} {
		l := letter(kind)
		l.Part = true
		for request, want := range map[datamap.Kind]string{
			datamap.Erasure: "a part of what is held about them (your page says which)", datamap.Access: "a part of what is held about them (your page says which)",
			datamap.Export: "a part of the data that they have provided, to take elsewhere (your page says which)",
		} {
			l.RequestKind = request
			_, flat, page := rendering(t, l)
			for _, form := range []string{flat, oneLine(page.Find("body").Text())} {
				if !strings.Contains(form, want) || strings.Contains(form, "what you hold about this person") {
					t.Errorf("%s: expected a part alone to be asked for, got:\n%s", kind, form)
				}
			}
		}
	}
}
