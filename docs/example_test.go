package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/robfig/cron/v3"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/retention"
)

// An example is what its blocks have said so far.
type example struct {
	at       string
	tables   string
	yaml     string
	m        *datamap.Map
	policies []datamap.Policy
	rules    string
	pool     *pgxpool.Pool // as the last of its blocks left it
	outcomes int
}

// verbs are what can be done with a block.
func verbs() map[string]func(e *example, t *testing.T, b block) {
	return map[string]func(e *example, t *testing.T, b block){
		"tables": func(e *example, _ *testing.T, b block) { e.tables = b.body }, "map": (*example).readMap, "mistakes": (*example).mistakes,
		"policies": (*example).readPolicies, "rules": func(e *example, _ *testing.T, b block) { e.rules = b.body },
		"check": (*example).check, "reaches": (*example).reaches, "notes": (*example).notes, "find": (*example).find, "give": (*example).give, "erase": (*example).erase,
		"left": (*example).left, "sweep": (*example).sweep,
	}
}

// today of the page, unless a block says today=….
const today = "2026-11-24"

func day(t *testing.T, b block) time.Time {
	t.Helper()
	text := b.arg("today")
	if text == "" {
		text = today
	}
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fresh makes the page's tables anew.
func (e *example) fresh(t *testing.T) *postgres.Source {
	t.Helper()
	e.pool = pgtest.Empty(t)
	pgtest.Exec(t, e.pool, e.tables)
	s, err := postgres.New("shop", e.pool, postgres.Options{Now: func() time.Time { return day(t, block{}) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parse reads the map as lethe.yaml's sources shop and files would have it.
func (e *example) parse() (*datamap.Map, []datamap.Problem) {
	return datamap.Parse([]datamap.File{{Name: "datamap.yaml", Data: []byte(e.yaml)}},
		datamap.ParseOptions{Sources: []string{"shop"}, Stores: []string{"files"}})
}

// readMap takes a map, which has to be right and to fit the tables.
func (e *example) readMap(t *testing.T, b block) {
	e.yaml = b.body
	m, problems := e.parse()
	if m == nil || len(problems) > 0 {
		t.Fatalf("%s: expected a map without mistakes: %v", e.at, problems)
	}
	e.m = m
	for _, d := range e.doubts(t) {
		if d.Level == postgres.Wrong {
			t.Errorf("%s: expected the map to fit its tables: %s: %s", e.at, d.Subject, d.Sentence)
		}
	}
}

// mistakes takes a map that is wrong; what is said of it stands in its comments,
// in its order.
func (e *example) mistakes(t *testing.T, b block) {
	e.yaml = b.body
	var said []string
	_, problems := e.parse()
	for _, p := range problems {
		said = append(said, fmt.Sprintf("%d:%d: %s", p.Pos.Line, p.Pos.Column, p.Message))
	}
	var want strings.Builder
	for line := range strings.Lines(b.body) {
		if text, ok := strings.CutPrefix(line, "# datamap.yaml:"); ok {
			want.WriteString(text)
		}
	}
	e.same(t, want.String(), said)
}

func (e *example) doubts(t *testing.T) []postgres.Doubt {
	t.Helper()
	doubts, err := e.fresh(t).Check(t.Context(), e.m)
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	return doubts
}

// check is what lethe check says of map and tables.
func (e *example) check(t *testing.T, b block) {
	var said []string
	for _, g := range datamap.Gaps(e.m) {
		said = append(said, g.Message)
	}
	for _, d := range e.doubts(t) {
		said = append(said, strings.TrimSpace(d.Subject+": "+d.Sentence+" "+d.Do))
	}
	if len(said) == 0 {
		said = []string{"nothing to complain of"}
	}
	e.same(t, b.body, said)
}

// readPolicies takes the policies of a lethe.yaml.
func (e *example) readPolicies(t *testing.T, b block) {
	rest := "database: postgres://lethe@localhost/lethe\nsources: {shop: {postgres: postgres://lethe@localhost/shop}}\ndatamap: datamap.yaml\n" +
		"controllers: {bota: {name: Bota, country: CZ, dpo: dpo@bota.example}}\nmail: {url: smtp://localhost:25, from: privacy@bota.example}\n" +
		"storage: file:///tmp/archives\nkey_file: lethe.key\npublic_url: http://localhost\n"
	file := filepath.Join(t.TempDir(), "lethe.yaml")
	if err := os.WriteFile(file, []byte(rest+b.body), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(file, func(string) (string, bool) { return "", false })
	if len(problems) > 0 {
		t.Fatalf("%s: expected policies without mistakes: %v", e.at, problems)
	}
	e.policies = nil
	for _, p := range cfg.Policies {
		policy := datamap.Policy{Name: p.Name, Kind: datamap.Kind(p.Kind), Links: datamap.Links(p.Links)}
		for _, r := range p.Rules {
			rule := datamap.PolicyRule{Categories: r.Categories}
			if r.Strategy != "" {
				rule.Strategy = &datamap.Masking{Strategy: r.Strategy, Value: r.Value, Length: r.Length, Algorithm: r.Algorithm, Mode: r.Mode, Suffix: r.Suffix}
			}
			policy.Rules = append(policy.Rules, rule)
		}
		if err := datamap.CheckPolicy(e.m, policy); err != nil {
			t.Errorf("%s: %v", e.at, err)
		}
		e.policies = append(e.policies, policy)
	}
}

// walk makes a block's walk: identities are its arguments of that name.
func (e *example) walk(t *testing.T, b block, kind datamap.Kind) source.Walk {
	t.Helper()
	if k := b.arg("kind"); k != "" {
		kind = datamap.Kind(k)
	}
	policy := datamap.Builtin(kind)
	if name := b.arg("policy"); name != "" {
		i := slices.IndexFunc(e.policies, func(p datamap.Policy) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("%s: the page has no policy %s", e.at, name)
		}
		policy = e.policies[i]
	}
	w := source.Walk{Scope: b.arg("scope"), Fields: map[string]string{}, Secret: bytes.Repeat([]byte{7}, 32), Today: day(t, b)}
	var types []string
	for _, a := range b.args {
		switch {
		case slices.Contains([]string{"kind", "policy", "scope", "today", "collection", "rule"}, a.name):
		case strings.HasPrefix(a.name, "field."):
			w.Fields[strings.TrimPrefix(a.name, "field.")] = a.value
		case a.name == datamap.Row:
			typ, key, err := datamap.PickedRow(e.m, a.value)
			if err != nil {
				t.Fatalf("%s: %v", e.at, err)
			}
			types, w.Seeds = append(types, typ), append(w.Seeds, source.Seed{Type: typ, Value: key})
		default:
			value, err := datamap.Normalise(a.name, a.value, "CZ")
			if err != nil {
				t.Fatalf("%s: %v", e.at, err)
			}
			types, w.Seeds = append(types, a.name), append(w.Seeds, source.Seed{Type: a.name, Value: value})
		}
	}
	plan, err := datamap.Compile(e.m, policy, types)
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	w.Plan = plan
	return w
}

// reaches lists what a plan visits, in its order, and what it leaves out.
func (e *example) reaches(t *testing.T, b block) {
	var got []string
	plan := e.walk(t, b, datamap.Access).Plan
	for _, v := range plan.Visits {
		got = append(got, v.Collection.FullName())
	}
	for _, left := range plan.Left {
		got = append(got, left+" is left out")
	}
	e.same(t, b.body, got)
}

// notes are what a plan tells the DPO.
func (e *example) notes(t *testing.T, b block) {
	e.same(t, b.body, slices.Clone(e.walk(t, b, datamap.Erasure).Plan.Notes))
}

func short(f source.Finding) string { return f.Collection[strings.IndexByte(f.Collection, '.')+1:] }

// find counts, as lethe find does; collections without rows are left out.
func (e *example) find(t *testing.T, b block) {
	found, err := e.fresh(t).Find(t.Context(), e.walk(t, b, datamap.Access))
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	var got []string
	for _, f := range found.Findings {
		if f.Rows+f.Shared == 0 {
			continue
		}
		line := fmt.Sprintf("%s %d", short(f), f.Rows)
		if f.Shared > 0 {
			line += fmt.Sprintf(", shared %d", f.Shared)
		}
		got = append(got, line)
	}
	for _, brake := range found.Braked {
		got = append(got, fmt.Sprintf("braked: %s to %s", brake.From, brake.To))
	}
	e.same(t, b.body, got)
}

// give prints a collection's rows as they would stand in an archive.
func (e *example) give(t *testing.T, b block) {
	snap, err := e.fresh(t).Snapshot(t.Context(), e.walk(t, b, datamap.Access))
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	defer snap.Close(context.WithoutCancel(t.Context()))
	var got []string
	for _, f := range snap.Findings() {
		if only := b.arg("collection"); only != "" && only != short(f) {
			continue
		}
		if err := snap.Rows(t.Context(), f.Collection, func(r source.Row) error {
			var pairs []string
			for i, name := range r.Fields {
				value, err := json.Marshal(r.Values[i])
				if err != nil {
					return err
				}
				pairs = append(pairs, fmt.Sprintf("%q: %s", name, value))
			}
			got = append(got, short(f)+" {"+strings.Join(pairs, ", ")+"}")
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", e.at, err)
		}
	}
	e.same(t, b.body, got)
}

// erase erases, and looks again whether anything is left that is targeted.
func (e *example) erase(t *testing.T, b block) {
	s, w := e.fresh(t), e.walk(t, b, datamap.Erasure)
	done, err := s.Erase(t.Context(), w, source.Holds{}, func(context.Context, source.Note) error { return nil })
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	var got []string
	for _, f := range done.Findings {
		var parts []string
		for _, n := range []struct {
			what string
			rows int64
		}{{"deleted", f.Erased}, {"masked", f.Masked}, {"kept", f.Kept}, {"shared", f.Shared}, {"stays", f.Stays}} {
			if n.rows > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", n.what, n.rows))
			}
		}
		if len(parts) > 0 {
			got = append(got, short(f)+" "+strings.Join(parts, ", "))
		}
	}
	for _, o := range done.Objects {
		got = append(got, fmt.Sprintf("file %s/%s", o.Store, o.Key))
	}
	e.same(t, b.body, got)
	left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	for _, f := range left.Findings {
		if f.Rows > 0 {
			t.Errorf("%s: expected nothing to be left, got %d rows of %s", e.at, f.Rows, f.Collection)
		}
	}
}

// left runs a query after the last erasure or sweep; its rows are the comments
// below it.
func (e *example) left(t *testing.T, b block) {
	var want, query strings.Builder
	for line := range strings.Lines(b.body) {
		if text, ok := strings.CutPrefix(line, "-- "); ok {
			want.WriteString(text)
			continue
		}
		query.WriteString(line)
	}
	rows, err := e.pool.Query(t.Context(), query.String(), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	got, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		var values []string
		for _, v := range r.RawValues() {
			text := "NULL"
			if v != nil {
				text = string(v)
			}
			values = append(values, text)
		}
		return strings.Join(values, " | "), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	e.same(t, want.String(), got)
}

// ticks reads cron lines; nothing here waits for one.
type ticks struct{}

func (ticks) Next(line string, after time.Time) (time.Time, error) {
	s, err := cron.ParseStandard(line)
	if err != nil {
		return time.Time{}, err
	}
	return s.Next(after), nil
}

// sweep approves the rules and runs them.
func (e *example) sweep(t *testing.T, b block) {
	rules, problems := retention.ParseRules("retention.yaml", []byte(e.rules), e.m)
	if len(problems) > 0 {
		t.Fatalf("%s: expected rules without mistakes: %v", e.at, problems)
	}
	set, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	now := day(t, b).Add(12 * time.Hour)
	s, err := retention.New(retention.Config{Pool: pgtest.Control(t), Map: e.m, Rules: rules, Sources: map[string]retention.Source{"shop": e.fresh(t)},
		Keys: set, Ticks: ticks{}, Now: func() time.Time { return now }, Controllers: []retention.Controller{{Key: "bota", Scope: "1", Withhold: []string{"user.device.ip_address"}}}})
	if err != nil {
		t.Fatalf("%s: %v", e.at, err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rules {
		if only := b.arg("rule"); only != "" && only != r.Name {
			continue
		}
		if _, err := s.ApproveRule(t.Context(), "staff:1", r.Name); err != nil {
			t.Fatalf("%s: %v", e.at, err)
		}
		results, err := s.Sweep(t.Context(), "operator", r.Name, false, nil)
		if err != nil {
			t.Fatalf("%s: %v", e.at, err)
		}
		for _, x := range results {
			got = append(got, fmt.Sprintf("%s expired %d, changed %d", x.Rule, x.Expired, x.Deleted))
		}
	}
	e.same(t, b.body, got)
}
