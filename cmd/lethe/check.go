package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

type checkCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (checkCmd) Help() string {
	return `Tries the control database, every source and the rights held there, the data map against the live schema, the retention rules, missing indexes, the mail server, the key file and the storage. Changes nothing. Exit status 1: something is wrong; 3: something is doubtful.

Example:
  lethe check -c /etc/lethe/lethe.yaml`
}

// The levels of a check.
const (
	right    = "right"
	doubtful = "doubtful"
	wrong    = "wrong"
)

// A verdict is one line of the table.
type verdict struct {
	Level    string `json:"level"`
	Part     string `json:"part"`
	Sentence string `json:"finding"`
	Do       string `json:"do,omitempty"`
}

// checker collects verdicts; each part is tried whatever the others said.
type checker struct{ list []verdict }

func (c *checker) say(level, part, sentence, do string) {
	c.list = append(c.list, verdict{level, part, sentence, do})
}

// check says right when err is nil, else wrong.
func (c *checker) check(part string, err error, good, do string) bool {
	if err != nil {
		c.say(wrong, part, sentence(err), do)
		return false
	}
	c.say(right, part, good, "")
	return true
}

// Run checks.
func (c *checkCmd) Run(ctx context.Context, w *world, cli *commands) error {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return err
	}
	k := &checker{}
	k.say(right, "configuration", "read without a problem", "")
	k.configuration(cfg)
	m, warnings, err := loadMap(cfg)
	do := "lethe datamap check shows each with its place"
	if errors.Is(err, fs.ErrNotExist) {
		do = "lethe datamap draft --source NAME --out FILE writes a first one"
	}
	if k.check("data map", err, "read without an error", do) {
		for _, p := range append(warnings, datamap.Gaps(m)...) {
			k.say(doubtful, "data map", p.String(), "")
		}
		for _, p := range append(policyProblems(cfg, m), datamap.Plannable(m, policiesOf(cfg)...)...) {
			level := wrong
			if p.Warning {
				level = doubtful
			}
			k.say(level, "data map", p.String(), "")
		}
	}
	k.parts(ctx, w, cfg)
	if m != nil {
		k.controllers(cfg, m)
		k.sources(ctx, cfg, m)
		k.rules(ctx, w, cfg, m)
	}
	return c.report(w, k.list)
}

func (c *checkCmd) report(w *world, list []verdict) error {
	if c.JSON {
		if err := printJSON(w.out, map[string]any{"checks": list}); err != nil {
			return err
		}
	} else {
		printVerdicts(w.out, list)
	}
	count := func(level string) (n int64) {
		for _, v := range list {
			if v.Level == level {
				n++
			}
		}
		return n
	}
	switch {
	case count(wrong) > 0:
		return fmt.Errorf("%s wrong, %s doubtful", plural(count(wrong), "thing is", "things are"), thousands(count(doubtful)))
	case count(doubtful) > 0:
		return doneInPart("nothing is wrong; %s doubtful", plural(count(doubtful), "thing is", "things are"))
	}
	return nil
}

// printVerdicts shows what was found. The indexes and the rights that are missing
// come last, to be pasted: several findings may ask for the same one, and of
// rights each table needs some.
func printVerdicts(out io.Writer, list []verdict) {
	var indexes, rights []statement
	lacking := map[string]int64{}
	for _, v := range list {
		if strings.HasPrefix(v.Do, "GRANT ") {
			rights = append(rights, v.statement())
			lacking[v.Part]++
		}
	}
	t := newTable(out, "state", "part", "finding")
	for _, v := range list {
		if strings.HasPrefix(v.Do, "GRANT ") {
			if n := lacking[v.Part]; n > 0 {
				t.row(v.Level, v.Part, "the role lacks "+plural(n, "right", "rights")+"; see below")
			}
			lacking[v.Part] = 0
			continue
		}
		t.row(v.Level, v.Part, v.Sentence)
		switch {
		case strings.HasPrefix(v.Do, "CREATE INDEX "):
			if !slices.Contains(indexes, v.statement()) {
				indexes = append(indexes, v.statement())
			}
		case v.Do != "" && !strings.Contains(v.Sentence, firstWords(v.Do)):
			t.row("", "", "→ "+v.Do)
		}
	}
	t.flush()
	// One on (a, b) serves what one on (a) would.
	all := slices.Clone(indexes)
	indexes = slices.DeleteFunc(indexes, func(one statement) bool {
		return slices.ContainsFunc(all, func(other statement) bool {
			return other.part == one.part && strings.HasPrefix(other.text, strings.TrimSuffix(one.text, ")")+", ")
		})
	})
	toPaste(out, "Rights that are missing, for the owner of the tables to paste (lethe grants prints all, with the reason for each):", rights)
	var waits []statement // a partitioned table's: those who write wait
	indexes = slices.DeleteFunc(indexes, func(one statement) bool {
		if strings.HasPrefix(one.text, "CREATE INDEX CONCURRENTLY ") {
			return false
		}
		waits = append(waits, one)
		return true
	})
	toPaste(out, "Indexes that are missing, to paste; building them blocks nobody:", indexes)
	toPaste(out, "Indexes that are missing on partitioned tables, which take none CONCURRENTLY: who writes waits while they are built, unless each partition has been given its own before, CONCURRENTLY:", waits)
}

// A statement is one to paste into the database of a part ("source shop").
type statement struct{ part, text string }

func (v verdict) statement() statement {
	part, _, _ := strings.Cut(v.Part, ": ")
	return statement{part, v.Do}
}

// toPaste prints statements. Those of several databases stand apart, as lethe grants has them.
func toPaste(out io.Writer, title string, statements []statement) {
	if len(statements) == 0 {
		return
	}
	fmt.Fprintln(out, "\n"+title)
	several := slices.ContainsFunc(statements, func(one statement) bool { return one.part != statements[0].part })
	for i, one := range statements {
		if several && (i == 0 || one.part != statements[i-1].part) {
			fmt.Fprintln(out, "  -- "+one.part)
		}
		fmt.Fprintln(out, "  "+one.text+";")
	}
}

// firstWords are the command that an advice begins with: "lethe migrate".
func firstWords(advice string) string {
	words := strings.Fields(advice)
	return strings.Join(words[:min(2, len(words))], " ")
}

// eea are the members of the European Economic Area: transfers to others need a ground (Art. 44 ff.).
var eea = strings.Fields("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK EU EEA")

// configuration looks at what can be told without asking anybody.
func (c *checker) configuration(cfg *config.Config) {
	where := func(part, region, transfer string) {
		switch {
		case region == "":
			c.say(doubtful, part, "its region is not configured", "set region: (a country's two letters), so that letters can name transfers (Art. 15(2))")
		case !slices.Contains(eea, strings.ToUpper(strings.SplitN(region, "-", 2)[0])) && transfer == "":
			c.say(doubtful, part, "it lies outside the EEA, and no ground of the transfer is configured", "set transfer: (adequacy, standard clauses …; Art. 45 to 49)")
		}
	}
	for _, s := range cfg.Sources {
		where("source "+s.Name, s.Region, s.Transfer)
	}
	for _, r := range cfg.Recipients {
		where("recipient "+r.Key, r.Region, r.Transfer)
		if r.Notify == "" {
			c.say(doubtful, "recipient "+r.Key, "it cannot be told of erasures (Art. 19)", "set notify: to its mail address")
		}
	}
	for _, p := range cfg.Controllers {
		part := "controller " + p.Key
		if p.Agreement == "" && len(cfg.Controllers) > 1 {
			c.say(doubtful, part, "no processing agreement is recorded (Art. 28(3))", "set agreement: to its date")
		}
		if p.Authority == "" {
			c.say(doubtful, part, "letters cannot name the authority to complain to (Art. 15(1)(f))", "set authority:")
		}
		if p.Address == "" {
			c.say(doubtful, part, "letters cannot give its address", "set address:")
		}
	}
	u, err := url.Parse(cfg.PublicURL)
	if err == nil && u.Scheme != "https" && !loopback(u.Hostname()) {
		c.say(wrong, "public_url", "links to personal data would travel in clear", "use https")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// parts tries the control database, key file, storage, mail server and deadlines.
func (c *checker) parts(ctx context.Context, w *world, cfg *config.Config) {
	set, keyErr := keys.ReadFile(cfg.KeyFile)
	keyErr = c.control(ctx, w.now, cfg, set, keyErr)
	do := "lethe keys new --out FILE makes one"
	if errors.Is(keyErr, dsar.ErrOtherKeys) {
		do = "put the right one back, from its backup"
	}
	if c.check("key file", keyErr, "can be read, and by nobody else", do) {
		storage, err := archive.OpenStorage(ctx, cfg.Storage, set)
		if err == nil {
			err = storage.Check(ctx)
			_ = storage.Close()
		}
		c.check("storage", err, "a small object was written, read and deleted", "look at storage: and the rights there")
	}
	sender, err := mail.New(mail.Options{URL: cfg.Mail.URL, From: cfg.Mail.From, Now: w.now})
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		err = sender.Check(ctx)
		cancel()
	}
	c.check("mail server", err, "answers, and lets us in", "look at mail: in the configuration")
	controllers, err := requestControllers(cfg)
	if err != nil {
		c.check("controllers", err, "", "")
		return
	}
	for _, p := range cfg.Controllers {
		_, _, err := dsar.Deadline(w.now(), controllers[p.Key], false)
		c.check("controller "+p.Key, err, "its holidays are known", "set country: and region:")
	}
}

// sources tries each source: the rights held there, the map against the live
// schema, indexes, and controllers whose rows nobody answers for.
func (c *checker) sources(ctx context.Context, cfg *config.Config, m *datamap.Map) {
	for _, s := range cfg.Sources {
		part := "source " + s.Name
		if m := s.Manual; m != nil {
			c.say(right, part, fmt.Sprintf("is a person's desk: %s is asked by mail, and has %s", m.Owner, plural(int64(m.Days), "day", "days")), "")
		}
		if s.Objects != "" {
			c.store(ctx, s, m)
		}
		if len(s.Postgres) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		src, err := openStore(ctx, s, nil)
		if err == nil {
			err = src.Ping(ctx)
		}
		if c.check(part, err, "answers", "look at sources: in the configuration, and whether the server runs") {
			doubts, err := src.Check(ctx, m, policiesOf(cfg)...)
			if err != nil {
				c.check(part, err, "", "")
			}
			// Rules or policies that cannot be read are told elsewhere.
			if plans, sweeps, err := uses(cfg, m); err == nil {
				lacks, err := src.Lacks(ctx, plans, sweeps, datamap.MentionFields(m)...)
				if err != nil {
					c.check(part, err, "", "")
				}
				doubts = append(slices.DeleteFunc(doubts, func(d postgres.Doubt) bool { return asksFor(lacks, d) }), lacks...)
			}
			for _, d := range doubts {
				subject := part
				if d.Subject != s.Name {
					subject += ": " + d.Subject
				}
				c.say(d.Level, subject, d.Sentence, d.Do)
			}
			strangers, err2 := strangers(ctx, cfg, m, src)
			if err2 != nil {
				c.check(part, err2, "", "")
			}
			for _, one := range together(strangers) {
				c.say(doubtful, part+one.subject(), one.sentence(), "add them under controllers: with their scope; until then nobody can ask for these rows, and no letter names who answers for them")
			}
			if err == nil && err2 == nil && len(doubts)+len(strangers) == 0 {
				c.say(right, part, "tables, columns, rights and indexes are as the data map needs them", "")
			}
		}
		if src != nil {
			src.Close()
		}
		cancel()
	}
}

// asksFor tells whether a right that somebody lacks is among those of a list: the
// part before TO says which it is.
func asksFor(lacks []postgres.Doubt, d postgres.Doubt) bool {
	right, _, _ := strings.Cut(d.Do, " TO ")
	return strings.HasPrefix(right, "GRANT ") && slices.ContainsFunc(lacks, func(l postgres.Doubt) bool { return strings.HasPrefix(l.Do, right+" TO ") })
}

// A stranger is a collection that holds rows of controllers without a configuration,
// or several that hold those of the same ones.
type stranger struct {
	collections []string
	scopes      []string
}

// together says once what is true of many collections: tenants stand in every table.
func together(strangers []stranger) (list []stranger) {
	const many = 3
	by := map[string]int{}
	for _, s := range strangers {
		by[strings.Join(s.scopes, "\x00")]++
	}
	at := map[string]int{}
	for _, s := range strangers {
		of := strings.Join(s.scopes, "\x00")
		if i, ok := at[of]; ok {
			list[i].collections = append(list[i].collections, s.collections...)
			continue
		}
		if by[of] > many {
			at[of] = len(list)
		}
		list = append(list, s)
	}
	return list
}

// subject is what of a source it is about: of many collections, the source.
func (s stranger) subject() string {
	if len(s.collections) > 1 {
		return ""
	}
	return ": " + s.collections[0]
}

func (s stranger) sentence() string {
	const most = 10
	list, more := s.scopes, ""
	if len(list) > most {
		list, more = list[:most], ", …"
	}
	number := plural(int64(len(s.scopes)), "controller", "controllers")
	if len(s.scopes) == postgres.MaxScopes {
		number = "at least " + number
	}
	said := " rows of " + number + " without a configuration: " + strings.Join(list, ", ") + more
	if n := len(s.collections); n > 1 {
		const named = 20
		told, more := s.collections, ""
		if n > named {
			told, more = told[:named], ", …"
		}
		return fmt.Sprintf("%d collections hold%s (%s%s)", n, said, strings.Join(told, ", "), more)
	}
	return "it holds" + said
}

// strangers looks into every collection with a controller's column.
func strangers(ctx context.Context, cfg *config.Config, m *datamap.Map, src store) ([]stranger, error) {
	known := []string{}
	for _, c := range cfg.Controllers {
		if c.Scope != "" {
			known = append(known, c.Scope)
		}
	}
	var found []stranger
	var errs []error
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			scopes, err := src.Scopes(ctx, c, known)
			if err != nil {
				errs = append(errs, err)
			}
			if len(scopes) > 0 {
				found = append(found, stranger{[]string{c.FullName()}, scopes})
			}
		}
	}
	return found, errors.Join(errs...)
}

// rules looks at retention against the live sources.
func (c *checker) rules(ctx context.Context, w *world, cfg *config.Config, m *datamap.Map) {
	rules, err := loadRules(cfg, m)
	if !c.check("retention rules", err, fmt.Sprintf("%d read without an error", len(rules)), "") {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	a, err := openApp(ctx, w, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return // said already, by the part that failed
	}
	defer a.close()
	holds, err := a.retention.CheckHolds(ctx)
	if err != nil {
		c.say(wrong, "holds", sentence(err), "")
	}
	for _, d := range holds {
		c.say(wrong, d.Subject, d.Sentence, d.Do)
	}
	if len(rules) == 0 {
		return
	}
	doubts, err := a.retention.Check(ctx)
	if err != nil {
		c.say(wrong, "retention rules", sentence(err), "")
	}
	for _, d := range doubts {
		c.say(doubtful, "retention: "+d.Subject, d.Sentence, d.Do)
	}
}
