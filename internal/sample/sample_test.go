package sample

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/importrule"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestImports(t *testing.T) {
	t.Parallel()
	const ours = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".", ours+"cmd", ours+"dsar", ours+"retention", ours+"jobs", ours+"migrations",
		ours+"internal/archive", ours+"internal/config", ours+"internal/datamap", ours+"internal/devpg", ours+"internal/keys", ours+"internal/ledger",
		ours+"internal/mail", ours+"internal/mailbox", ours+"internal/pgtest", ours+"internal/source", ours+"internal/web", "github.com/riverqueue", "net/http")
}

var asOf = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func empty(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := pgtest.Empty(t)
	if _, err := pool.Exec(t.Context(), livechat.Schema); err != nil {
		t.Fatal(err)
	}
	return pool
}

// number asks for one count.
func number(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestSameSeedSameShop(t *testing.T) {
	t.Parallel()
	a, b := Generate(1, asOf, Options{}), Generate(1, asOf, Options{})
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed and day should give the same shop")
	}
	if reflect.DeepEqual(a, Generate(2, asOf, Options{})) {
		t.Error("another seed should give another shop")
	}
}

func TestShopHasWhatTheDemoShows(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	shop := Generate(1, asOf, Options{})
	if err := shop.Load(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	for _, d := range definition() {
		if n := number(t, pool, "SELECT count(*) FROM "+d.name); n != shop.Count(d.name) {
			t.Errorf("%s: %d rows expected, %d loaded", d.name, shop.Count(d.name), n)
		}
	}
	for _, c := range []struct {
		what, sql string
		min, max  int
	}{
		{"shops", "SELECT count(DISTINCT country) FROM accounts", 3, 3},
		{"contacts", "SELECT count(*) FROM contacts", 600, 700},
		{"visits", "SELECT count(*) FROM visits", 10_000, 10_000},
		{"visitors", "SELECT count(*) FROM visitors", 1850, 1950},
		{"conversations", "SELECT count(*) FROM conversations", 900, 1200},
		{"conversations without a contact", "SELECT count(*) FROM conversations WHERE contact_id IS NULL", 100, 300},
		{"conversations without a message", "SELECT count(*) FROM conversations c WHERE NOT EXISTS (SELECT FROM messages WHERE conversation_id = c.id)", 0, 0},
		{"names of identifiers", "SELECT count(DISTINCT regexp_replace(name, 'ssupp_k[0-9a-f]{40}', 'ssupp_KEY')) FROM identifiers", 11, 11},
		{"ssupp.vid older than six months", "SELECT count(*) FROM identifiers WHERE name = 'ssupp.vid' AND issued_at < date '2026-05-01'", 300, 1500},
		{"younger ones", "SELECT count(*) FROM identifiers WHERE name = 'ssupp.vid' AND issued_at >= date '2026-05-01'", 300, 1500},
		{"Smartlook's older than two years", "SELECT count(*) FROM identifiers WHERE name LIKE 'SL_C%' AND issued_at < date '2024-11-01'", 50, 1000},
		{"visits older than 25 months", "SELECT count(*) FROM visits WHERE visited_at < date '2024-10-01'", 100, 5000},
		{"visits without an address", "SELECT count(*) FROM visits WHERE ip IS NULL", 3000, 7000},
		{"consents withdrawn", "SELECT count(*) FROM consents WHERE withdrawn_at IS NOT NULL", 100, 500},
		{"identifiers without consent", "SELECT count(*) FROM identifiers i WHERE name = 'ssupp.visits' AND NOT EXISTS (SELECT FROM consents c WHERE c.visitor_id = i.visitor_id AND category = 'marketing')", 3, 200},
		{"ssupp.vid that is not its visitor's", "SELECT count(*) FROM identifiers WHERE (name = 'ssupp.vid' OR name LIKE 'ssupp_%vid') AND value <> visitor_id", 0, 0},
		{"attachments", "SELECT count(*) FROM attachments", 15, 200},
		{"texts with a line break", `SELECT count(*) FROM messages WHERE content_text LIKE E'%\n%'`, 1, 500},
		{"texts with another's address", "SELECT count(*) FROM messages WHERE content_text LIKE 'My neighbour%@%'", 1, 100},
		{"texts left unfilled", `SELECT count(*) FROM messages WHERE content_text ~ '%[a-z]'`, 0, 0},
		{"names with an apostrophe", "SELECT count(*) FROM contacts WHERE surname LIKE '%''%'", 5, 200},
		{"addresses that differ in capitals only", "SELECT count(*) FROM (SELECT FROM contacts WHERE email IS NOT NULL GROUP BY account_id, lower(email) HAVING count(*) > 1) d", 1, 1},
		{"addresses outside the example domains", `SELECT count(*) FROM contacts WHERE email !~* '@([a-z]+\.)?example\.(org|net|com)$' OR email ~ '\.\.|\.@|^\.'`, 0, 0},
		{"IP addresses outside 198.18.0.0/15", "SELECT count(*) FROM visits WHERE NOT ip << '198.18.0.0/15'", 0, 0},
		{"rows of the future", "SELECT (SELECT count(*) FROM visits WHERE visited_at > $1) + (SELECT count(*) FROM messages WHERE created_at > $1) + (SELECT count(*) FROM identifiers WHERE greatest(issued_at, last_seen_at) > $1) + (SELECT count(*) FROM consents WHERE greatest(granted_at, withdrawn_at) > $1)", 0, 0},
		{"browsers used by two contacts", "SELECT count(*) FROM (SELECT FROM conversations WHERE contact_id IS NOT NULL GROUP BY visitor_id HAVING visitor_id IS NOT NULL AND count(DISTINCT contact_id) > 1) d", 1, 1},
		{"conversations across shops", "SELECT count(*) FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE k.account_id <> c.account_id", 0, 0},
		{"visitors across shops", "SELECT count(*) FROM visitors c JOIN contacts k ON k.id = c.contact_id WHERE k.account_id <> c.account_id", 0, 0},
		{"shops without a sixth of the visits", "SELECT count(*) FROM accounts a WHERE (SELECT count(*) FROM visits WHERE account_id = a.id) < 1600", 0, 0},
	} {
		args := []any{}
		if strings.Contains(c.sql, "$1") {
			args = append(args, asOf)
		}
		if n := number(t, pool, c.sql, args...); n < c.min || n > c.max {
			t.Errorf("%s: between %d and %d expected, got %d", c.what, c.min, c.max, n)
		}
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	shop := Generate(7, asOf, Options{})
	if err := shop.Load(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	for _, p := range shop.people {
		if n := number(t, pool, "SELECT count(*) FROM contacts WHERE id = $1 AND email = $2 AND account_id::text = $3 AND name = $4", p.Contact, p.Email, p.Scope, p.Name); n != 1 {
			t.Errorf("%s: the contact %d expected in shop %s", p.Part, p.Contact, p.Scope)
		}
		if !strings.Contains(livechat.Config, "\n  "+p.Controller+":") {
			t.Errorf("%s: the controller %q expected in lethe.yaml", p.Part, p.Controller)
		}
	}
	for _, part := range []string{"access", "export", "erasure"} {
		p, ok := shop.Person(part)
		if !ok {
			t.Fatalf("somebody should play %q", part)
		}
		if n := number(t, pool, "SELECT count(*) FROM visits v JOIN visitors b ON b.id = v.visitor_id WHERE b.contact_id = $1", p.Contact); n < 12 {
			t.Errorf("%s: at least 12 visits expected, got %d", part, n)
		}
		if n := number(t, pool, "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN attachments a ON a.message_id = m.id WHERE c.contact_id = $1", p.Contact); n < 1 {
			t.Errorf("%s: a conversation with a message and an attachment expected", part)
		}
		if n := number(t, pool, "SELECT count(*) FROM conversations c JOIN visitors v ON v.id = c.visitor_id WHERE v.contact_id = $1 AND c.contact_id <> $1", p.Contact); n != 0 {
			t.Errorf("%s: a browser of one's own expected", part)
		}
	}
	if _, ok := shop.Person("nobody"); ok {
		t.Error("nobody plays nobody")
	}
}

func TestSmallShops(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	if err := Generate(3, asOf, Options{Contacts: 1, Visits: 5}).Load(t.Context(), pool); err != nil {
		t.Errorf("a small shop should load, too: %v", err)
	}
	if n := number(t, pool, "SELECT count(*) FROM visits"); n != 5 {
		t.Errorf("5 visits expected, got %d", n)
	}
	err := Generate(3, asOf, Options{Contacts: 1, Visits: 5}).Load(t.Context(), pool)
	if err == nil || !strings.Contains(err.Error(), "accounts") || strings.Contains(err.Error(), "Bota") {
		t.Errorf("loading twice should fail with the table's name and no contents, got %v", err)
	}
}

// files writes a folder of CSV files, changed where the test says so.
func files(t *testing.T, change map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	content := map[string]string{
		"accounts": "1,Shop,shop.example,k1,CZ\n", "agents": "1,1,Agent,a@example.org\n",
		"contacts": "1,1,2026-01-01T10:00:00Z,2026-01-01T10:00:00Z,Jana,,jana@example.org,,\"\",\"two\nlines\",t,\"{\"\"a\"\": 1}\"\n",
		"visitors": "vi1,1,1,2026-01-01T10:00:00Z,2026-01-01T10:00:00Z,1,UA,,,,,,\n",
	}
	for _, d := range definition() {
		text, ok := change[d.name]
		if !ok {
			text = strings.Join(d.columns, ",") + "\n" + content[d.name]
		}
		if text == "-" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, d.name+".csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadCSV(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	if err := LoadCSV(t.Context(), pool, files(t, map[string]string{
		"agents": "\ufeffemail,name,id,account_id\r\na@example.org,Agent,1,1\r\n",
	})); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT count(*) FROM contacts WHERE surname IS NULL AND social_account IS NULL AND note = E'two\\nlines' AND gdpr_approved AND created_at = timestamptz '2026-01-01T10:00:00Z'"); n != 1 {
		t.Error("empty cells should be NULL, line breaks kept, times in UTC")
	}
	if n := number(t, pool, "SELECT count(*) FROM agents WHERE email = 'a@example.org'"); n != 1 {
		t.Error("columns in another order, a byte order mark and CRLF should be understood")
	}
}

func TestLoadCSVSaysWhere(t *testing.T) {
	t.Parallel()
	columns := map[string]string{}
	for _, d := range definition() {
		columns[d.name] = strings.Join(d.columns, ",") + "\n"
	}
	// Its text has a line break: a line's number is that of a row's last line.
	const good = "1,1,2026-01-01T10:00:00Z,2026-01-01T10:00:00Z,Jana,,secret@example.org,,,\"two\nlines\",t,\n"
	for name, c := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"missing files":   {map[string]string{"visits": "-", "agents": "-"}, []string{"should hold agents.csv, visits.csv, too"}},
		"empty file":      {map[string]string{"visits": ""}, []string{"visits.csv is empty"}},
		"no header":       {map[string]string{"contacts": good}, []string{"contacts.csv: line 1 should name the columns"}},
		"extra column":    {map[string]string{"contacts": "secret," + columns["contacts"]}, []string{"contacts.csv", "1 columns that are not expected"}},
		"broken header":   {map[string]string{"contacts": "id,\"secret\nx"}, []string{"contacts.csv: line 1"}},
		"broken quote":    {map[string]string{"contacts": columns["contacts"] + good + "2,\"secret"}, []string{"contacts.csv: line 4"}},
		"broken time":     {map[string]string{"contacts": columns["contacts"] + good + strings.Replace(good, "1,1,2026-01-01", "2,1,secret", 1)}, []string{"contacts.csv: line 5, column created_at"}},
		"broken number":   {map[string]string{"contacts": columns["contacts"] + "secret" + good}, []string{"contacts.csv: line 3, column id", "not of the column's type"}},
		"too few columns": {map[string]string{"contacts": columns["contacts"] + "1,1\n"}, []string{"contacts.csv: line 2", "number of columns"}},
		"same key twice":  {map[string]string{"contacts": columns["contacts"] + good + good}, []string{"contacts.csv: line 5", "contacts_pkey"}},
		"foreign key":     {map[string]string{"contacts": columns["contacts"] + strings.Replace(good, "1,1,", "1,77,", 1)}, []string{"contacts.csv", "contacts_account_id_fkey"}},
		"needed value":    {map[string]string{"contacts": columns["contacts"] + strings.Replace(good, "1,1,2026-01-01T10:00:00Z", "1,1,", 1)}, []string{"contacts.csv: line 3, column created_at: a value is needed"}},
		"not UTF-8":       {map[string]string{"contacts": columns["contacts"] + strings.Replace(good, "Jana", "secret\xff", 1)}, []string{"contacts.csv: line 2", "UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := empty(t)
			err := LoadCSV(t.Context(), pool, files(t, c.change))
			if err == nil {
				t.Fatal("an error was expected")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error should hold %q, is: %v", w, err)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error should hold nothing of the contents: %v", err)
			}
			if n := number(t, pool, "SELECT count(*) FROM accounts"); n != 0 {
				t.Error("nothing should be loaded when something is wrong")
			}
		})
	}
}

func TestLoadCSVWithoutTables(t *testing.T) {
	t.Parallel()
	err := LoadCSV(t.Context(), pgtest.Empty(t), files(t, nil))
	if err == nil || !strings.Contains(err.Error(), "run schema.sql first") {
		t.Errorf("a database without the tables should be told apart, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := LoadCSV(ctx, empty(t), files(t, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load should say so, got %v", err)
	}
}

// The vendor's real rows, where they are at hand (LETHE_LIVECHAT_DATA, or beside the repository).
func TestLoadCSVRealRows(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("LETHE_LIVECHAT_DATA")
	if dir == "" {
		dir = "../../../shared/data/livechat"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the real rows are not here")
	}
	pool := empty(t)
	if err := LoadCSV(t.Context(), pool, dir); err != nil {
		t.Fatal(err)
	}
	want := []int{3, 6, 614, 1860, 9998, 9868, 1872, 1026, 1327, 29}
	var got []int
	for _, d := range definition() {
		got = append(got, number(t, pool, "SELECT count(*) FROM "+d.name))
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows %v expected, loaded %v", want, fmt.Sprint(got))
	}
}
