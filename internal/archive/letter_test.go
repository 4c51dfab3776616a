package archive

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAccessLetterSaysWhatArticle15Asks(t *testing.T) {
	t.Parallel()
	contacts := table("livechat", "contacts", []string{"id"}, []any{int64(1)})
	contacts.Found, contacts.Shared = 3, 2
	files, _ := write(t, letter(), contacts)
	text := files["letter.txt"]
	for _, line := range strings.Split(text, "\n") {
		if utf8.RuneCountInString(line) > columns {
			t.Errorf("lines of at most %d characters were expected, this has more: %q", columns, line)
		}
	}
	flat := strings.Join(strings.Fields(text), " ")
	for _, page := range []string{flat, files["index.html"]} {
		for _, want := range []string{
			"Art. 15(1)(a)", "Art. 15(1)(b)", "Art. 15(1)(c)", "Art. 15(1)(d)", "Art. 15(1)(e)", "Art. 15(1)(f)", "Art. 15(1)(g)", "Art. 15(1)(h)", "Art. 15(2)",
			"providing the service", "legitimate interests", "Art. 6(1)(f)", "e-mail address", "Vendor a.s.", "6 months",
			"Far Inc., the United States", "processor; in Czechia", "standard contractual clauses", "from you, in the chat", "There are none.", "Sochora",
			"2 entries that other people use, too", "dpo@bota.example", "request no. 17", "29 October 2026", "1 November 2026", "1 entry",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the letter should hold %q; it reads:\n%s", want, page)
			}
		}
		if strings.Contains(page, "do not say") {
			t.Error("a complete letter should not call anything missing")
		}
	}
	if got := letter().Missing(); len(got) != 0 {
		t.Errorf("a complete letter misses nothing, got %q", got)
	}
}

func TestRegionsInWords(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"CZ": "Czechia", "us": "the United States", "DE-BY": "Germany (DE-BY)", "EL": "Greece", "EU": "the European Union", "EEA": "the European Economic Area",
		"Texas, for now": "Texas, for now", "QQ": "QQ", "ZZ": "ZZ", "": "",
	} {
		if got := country(region); got != want {
			t.Errorf("expected %q to be called %q, got %q", region, want, got)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	l := Letter{Kind: "access", RequestID: 3, ReceivedAt: madeAt, MadeAt: madeAt, Controller: Party{Name: "Bota Shop"}}
	files, _ := write(t, l)
	if n := strings.Count(strings.Join(strings.Fields(files["letter.txt"]), " "), "do not say"); n != 8 {
		t.Errorf("eight parts of an empty letter should be said to be missing, %d are:\n%s", n, files["letter.txt"])
	}
	if !strings.Contains(files["letter.txt"], "We found no data about you") {
		t.Error("an empty archive should say that nothing was found")
	}
	if n := len(l.Missing()); n != 8 {
		t.Errorf("eight sentences expected for the DPO, got %q", l.Missing())
	}
	full := letter()
	full.Recipients = []Recipient{{Name: "Far Inc.", Region: "US"}, {Name: "Somewhere"}}
	full.Purposes = append(full.Purposes, Purpose{Collection: "visits"})
	got := strings.Join(full.Missing(), "\n")
	full.Purposes = append(full.Purposes, Purpose{Collection: "visits", Consent: "analytics"})
	if twice := strings.Join(full.Missing(), "\n"); twice != got {
		t.Errorf("what two purposes of a collection lack should be said once; got:\n%s", twice)
	}
	for _, want := range []string{
		"Far Inc.: the recipient is outside the EEA", "Somewhere: the recipient's region", "visits: the data map names no purpose",
		"visits: the data map names no legal basis", "visits: neither a retention rule",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the DPO should be told %q, is told:\n%s", want, got)
		}
	}
}

// What is shared and given all the same, since the person's own rows point to
// it, was not left out; nor was a row of one's own in which nothing stands.
func TestOnlyWhatWasLeftOutIsSaidToBe(t *testing.T) {
	t.Parallel()
	addresses := table("shop", "addresses", []string{"id"}, []any{int64(1)})
	addresses.Found, addresses.Shared = 1, 1
	tokens := table("shop", "tokens", []string{"id"})
	tokens.Found = 2
	files, _ := write(t, letter(), addresses, tokens)
	if text := files["letter.txt"]; strings.Contains(text, "left out, to protect") || !strings.Contains(text, "Nothing that was found for you was left out.") {
		t.Errorf("a shared row that was given, or an empty one, should not be said to be left out; the letter reads:\n%s", text)
	}
}

// What is said of many tables is said once, with all their names.
func TestTablesOfWhichTheSameIsSaid(t *testing.T) {
	t.Parallel()
	l := letter()
	for _, c := range []string{"orders", "visits"} {
		l.Purposes = append(l.Purposes, Purpose{Collection: c, Categories: []string{"user.device"}, Uses: []string{"essential.service"}, Basis: "f"})
	}
	l.Retention = append(l.Retention, Period{Collection: "visits", What: "ip", Keep: "1 day", Part: true})
	files, _ := write(t, l)
	flat := strings.Join(strings.Fields(files["letter.txt"]), " ")
	for _, want := range []string{
		"- contacts, orders, visits: providing the service; on the ground of legitimate interests", "- contacts: e-mail address - orders, visits: device",
		"- visits: ip: 1 day", "do not say how long your data in orders and visits are kept", // an address that goes says nothing of the rest
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("the letter should hold %q; it reads:\n%s", want, flat)
		}
	}
	if got := l.Missing(); len(got) != 1 || !strings.HasPrefix(got[0], "orders, visits: neither a retention rule") {
		t.Errorf("one sentence about both collections without a period is expected, got %q", got)
	}
}

// Where some data have a period and others have none, silence about these would
// read as a promise: the letter says that it does not know.
func TestDataWithoutAPeriodAreSaidToHaveNone(t *testing.T) {
	t.Parallel()
	l := letter()
	l.Purposes = append(l.Purposes, Purpose{Collection: "sessions", Categories: []string{"user.device"}, Uses: []string{"essential.service"}, Basis: "f"},
		Purpose{Collection: "wishes", Categories: []string{"user.content"}, Uses: []string{"essential.service"}, Basis: "f"})
	files, _ := write(t, l)
	flat := strings.Join(strings.Fields(files["letter.txt"]), " ")
	const want = "The records from which this letter was made do not say how long your data in sessions and wishes are kept, or how that is decided. Ask dpo@bota.example"
	for _, page := range []string{flat, files["index.html"]} {
		if strings.Count(page, want) != 1 || !strings.Contains(page, "6 months") {
			t.Errorf("expected the letter to say once %q, beside the period of the contacts; it reads:\n%s", want, page)
		}
	}
	if got := strings.Join(l.Missing(), "\n"); !strings.Contains(got, "sessions, wishes: neither a retention rule") || strings.Contains(got, "contacts: neither") {
		t.Errorf("expected the DPO to be told of sessions, and not of contacts, got %s", got)
	}
}

// Kinds of data are called as whoever reads of them calls them; one that a company
// made up, by its own words.
func TestKindsOfDataAreCalledByTheirNames(t *testing.T) {
	t.Parallel()
	l := letter()
	l.Purposes = []Purpose{{Collection: "livechat.visits", Basis: "a", Categories: []string{
		"user.behavior.purchase_history", "user.contact", "user.demographic.marital_status", "user.financial", "user.location.precise", "user.shoe_size",
	}}}
	files, _ := write(t, l, table("livechat", "visits", []string{"id"}, []any{int64(1)}))
	flat := strings.Join(strings.Fields(files["letter.txt"]), " ")
	for _, want := range []string{
		"- visits: purchases, contact details, marital status, financial data, precise location and shoe size",
		"- stop what rests on your consent: you may withdraw it at any time (Article 7(3)), and what was done before stays lawful; - stop processing", // a list to its end
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("expected the letter to say %q; it reads:\n%s", want, flat)
		}
	}
}

// What is said of a collection stands under its name once, as its data's heading has it.
func TestACollectionIsNamedOnce(t *testing.T) {
	t.Parallel()
	l := letter()
	l.Purposes = []Purpose{
		{Collection: "livechat.visits", Categories: []string{"user.device"}, Uses: []string{"analytics"}, Basis: "f"},
		{Collection: "livechat.visits", Categories: []string{"user.device", "user.location"}, Uses: []string{"marketing"}, Basis: "a"},
	}
	for _, c := range []struct {
		tables []Table
		want   string
	}{
		{[]Table{table("livechat", "visits", []string{"id"}, []any{int64(1)})}, "- visits: "},
		{[]Table{table("livechat", "visits", []string{"id"}, []any{int64(1)}), table("shop", "visits", []string{"id"}, []any{int64(1)})}, "- livechat.visits: "},
	} {
		files, _ := write(t, l, c.tables...)
		flat := strings.Join(strings.Fields(files["letter.txt"]), " ")
		for _, want := range []string{
			c.want + "statistics; on the ground of legitimate interests (Art. 6(1)(f)), to which you may object (Art. 21). Also: marketing; on the ground of your consent",
			c.want + "device and location",
		} {
			if strings.Count(flat, want) != 1 {
				t.Errorf("the letter should say once %q; it reads:\n%s", want, files["letter.txt"])
			}
		}
	}
}

func TestExportLetter(t *testing.T) {
	t.Parallel()
	l := letter()
	l.Kind = "export"
	files, m := write(t, l, table("livechat", "contacts", []string{"id"}, []any{int64(1)}))
	flat := strings.Join(strings.Fields(files["letter.txt"]), " ")
	if !strings.Contains(flat, "Article 20 of the General Data Protection Regulation") || strings.Contains(flat, "Art. 15(1)") || m.Kind != "export" {
		t.Errorf("an export's letter speaks of Article 20, not of 15(1); it reads:\n%s", files["letter.txt"])
	}
	if got := (Letter{Kind: "export"}).Missing(); len(got) != 4 {
		t.Errorf("an export needs the controller, its address, a contact and an authority only; got %q", got)
	}
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"P6M": "6 months", "P2Y": "2 years", "P1Y6M": "1 year and 6 months", "PT72H": "72 hours", "P1D": "1 day", "P2W": "2 weeks",
		"as long as the contract lasts": "as long as the contract lasts", "P": "P", "P0D": "P0D",
	} {
		if got := period(in); got != want {
			t.Errorf("period(%q): %q expected, got %q", in, want, got)
		}
	}
}

// An entry left out of an answer to a part need not be other people's.
func TestAPartIsCalledAPart(t *testing.T) {
	t.Parallel()
	contacts := table("livechat", "contacts", []string{"id"}, []any{int64(1)})
	contacts.Found, contacts.Shared = 3, 2
	l := letter()
	l.Narrowed = []string{"of orders (shop) only entries with number “7”"}
	files, _ := write(t, l, contacts)
	for _, page := range []string{strings.Join(strings.Fields(files["letter.txt"]), " "), files["index.html"]} {
		for _, want := range []string{"You asked for a part of it: " + l.Narrowed[0] + ".", "2 entries were left out: they are used, too, by what you did not ask for, or by other people."} {
			if !strings.Contains(page, want) {
				t.Errorf("the letter should hold %q; it reads:\n%s", want, page)
			}
		}
	}
}
