package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAudit: the audit finds what is wrong with a page where all of it is, and
// nothing where nothing is; the console's complaints are heard.
func TestAudit(t *testing.T) {
	t.Parallel()
	path, err := Find()
	if err != nil {
		t.Skip(err)
	}
	b, err := Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src 'self'")
		page := `<!doctype html><html lang="en"><head><title>Right</title></head><body><h1>Right</h1><p>Text</p></body></html>`
		if r.URL.Path == "/wrong" {
			page = `<!doctype html><html><head></head><body text="#cccccc"><h3 id="a">Third</h3><p id="a" style="margin:0">Faint</p>
<input name="nameless"><button></button><img src="/x.png"><a href="#nowhere">There</a><label for="nobody">Whose?</label><pre>` + strings.Repeat("wide", 400) + `</pre>
<table><tr><th>Of what?</th></tr></table><span tabindex="3">First</span></body></html>`
		}
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(site.Close)
	tab, err := b.Person()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tab.Close)

	if err := tab.Open(site.URL); err != nil {
		t.Fatal(err)
	}
	if faults, err := tab.Audit(); err != nil || len(faults) != 0 {
		t.Errorf("a page with nothing wrong should pass, it got %q (%v)", faults, err)
	}
	if said := tab.Complaints(); len(said) != 0 {
		t.Errorf("a page with nothing wrong should leave the console empty, it holds %q", said)
	}
	if err := tab.Open(site.URL + "/wrong"); err != nil {
		t.Fatal(err)
	}
	faults, err := tab.Audit()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(faults, "\n")
	for _, want := range []string{
		"says no language", "has no title", "0 first headings", "level 3 follows", "a field has no label: input[name=nameless]", "nothing says what this does: button",
		"a picture has no text", "an id stands twice: a", "for leads nowhere: nobody", "a link leads nowhere on its page: #nowhere", "out of order",
		"does not say what it heads: Of what?", "too small for a finger", "wider than the window", "stands out too little",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the audit should say %q, it says:\n%s", want, all)
		}
	}
	if said := strings.Join(tab.Complaints(), "\n"); !strings.Contains(said, "Content Security Policy") {
		t.Errorf("the breach of the page's policy should be heard, the console holds %q", said)
	}
}
