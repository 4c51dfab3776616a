package dsar

import "testing"

// What the DPO reads of a letter that did not go out.
func TestLetterMessages(t *testing.T) {
	t.Parallel()
	const again = "; nothing is lost, and Lethe tries again by itself. If this stays, run `lethe check`."
	const stopped = ", and Lethe has stopped trying: see `lethe check`, then retry."
	for _, c := range []struct {
		status  string
		kind    string
		code    int
		trouble string
		want    string
	}{
		{"waiting", "archive", 0, "", ""},
		{"sent", "archive", 0, "", ""},
		{"waiting", "archive", 421, "connecting", `The mail server put off the letter "archive" (421)` + again},
		{"waiting", "archive", 450, "sending", `The mail server put off the letter "archive" (450)` + again},
		{"waiting", "erased", 0, "sending", `The mail server did not answer for the letter "erased"` + again},
		{"waiting", "notice", 0, "connecting", "The mail server cannot be reached for the notice to a recipient of the data" + again},
		{"waiting", "archive", 0, "starting TLS", `The mail server offers no encryption that can be trusted, and the letter "archive" is sent encrypted or not at all` + again},
		{"waiting", "archive", 535, "signing in", `The mail server does not let Lethe sign in (535), so the letter "archive" waits` + again},
		{"waiting", "archive", 0, "reading the archive", `The archive could not be read from its storage, so the letter "archive" waits` + again},
		{"failed", "archive", 550, "sending", `The mail server refused the letter "archive" for good (550): find another way to reach the person, or retry.`},
		{"failed", "notice", 554, "sending", "The mail server refused the notice to a recipient of the data for good (554): tell them in another way (Art. 19), or retry."},
		{"failed", "archive", 450, "sending", `The mail server put off the letter "archive" again and again (450), and Lethe has stopped trying: retry, or find another way to reach the person.`},
		{"failed", "archive", 535, "signing in", `The mail server does not let Lethe sign in (535), so the letter "archive" waits` + stopped},
		{"failed", "archive", 0, "connecting", `The mail server cannot be reached for the letter "archive"` + stopped},
		{"failed", "archive", 552, "attaching", `The archive is larger than a mail may be, so the letter "archive" was not sent: hand the archive over, or find another way to reach the person.`},
		{"failed", "erased", 553, "reading the recipient's address", `The address on record is none that a mail can go to, so the letter "erased" was not sent: find another way to reach the person.`},
	} {
		if got := letterMessage(LetterState{Status: c.status, Kind: c.kind, Code: c.code}, c.trouble); got != c.want {
			t.Errorf("%s %s after %d while %q should read\n%q\nit reads\n%q", c.kind, c.status, c.code, c.trouble, c.want, got)
		}
	}
}
