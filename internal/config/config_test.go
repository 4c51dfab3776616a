package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const good = `
database: postgres://lethe:${PASSWORD}@db/lethe
sources:
  shop: {postgres: "${SHOP_URL}", region: CZ}
datamap: [datamap.yaml]
retention: retention.yaml
controllers:
  bota: {name: Bota Shop, country: CZ, scope: 1, dpo: dpo@bota.example, time_zone: Europe/Prague, scrub_after: P3D}
recipients:
  smartlook: {name: "Smartlook.com, s.r.o.", role: processor, region: CZ, gets: [user.device.cookie_id], notify: dpo@smartlook.example}
mail: {url: "smtp+starttls://user:${file:mail.secret}@mail.example:587", from: privacy@bota.example}
storage: file:///var/lib/lethe/archives
key_file: lethe.key
public_url: https://privacy.bota.example/
work: {job_limit: 30s, rescue_after: PT1M}
proxies: [10.1.0.0/16, "fd00::/8", 192.0.2.7]
policies:
  names-only: {kind: erasure, rules: [{categories: [user.name], strategy: {strategy: null_rewrite}}]}
  tags: {kind: erasure, links: mask, rules: [{categories: [user], strategy: {strategy: hash, configuration: {algorithm: SHA-512, format_preservation: {suffix: .x}}}}]}
  brief: {kind: access, links: omit, rules: [{categories: [user.contact]}]}
  blank: {kind: erasure, rules: [{categories: [user.name], strategy: {strategy: string_rewrite, configuration: {rewrite_value: ""}}}]}
`

func load(t *testing.T, text string) (*Config, []Problem) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"lethe.yaml": text, "mail.secret": "p@ss/word\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"PASSWORD": "se cret#1", "SHOP_URL": "postgres://u:p%40@shop/livechat"}
	return Load(filepath.Join(dir, "lethe.yaml"), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func TestLoad(t *testing.T) {
	t.Parallel()
	c, problems := load(t, good)
	if len(problems) > 0 {
		t.Fatalf("a right file should have no problems: %v", problems)
	}
	for what, pair := range map[string][2]string{
		"a secret inside a URL is percent-encoded": {c.Database, "postgres://lethe:se%20cret%231@db/lethe"},
		"a whole URL stays as it is":               {c.Sources[0].Postgres[0], "postgres://u:p%40@shop/livechat"},
		"a secret from a file loses its newline":   {c.Mail.URL, "smtp+starttls://user:p%40ss%2Fword@mail.example:587"},
		"a number is a scope":                      {c.Controllers[0].Scope, "1"},
		"public URLs end without a slash":          {c.PublicURL, "https://privacy.bota.example"},
		"paths are relative to the file":           {c.KeyFile, filepath.Join(filepath.Dir(c.Path), "lethe.key")},
		"listen has a default":                     {c.Listen, "127.0.0.1:8080"},
		"IP addresses are withheld unless set":     {strings.Join(c.Controllers[0].Withhold, ","), "user.device.ip_address"},
		"a proxy may be one machine":               {fmt.Sprint(c.Proxies), "[10.1.0.0/16 fd00::/8 192.0.2.7/32]"},
		"a policy's masking has its configuration": {fmt.Sprint(c.Policies[1].Links, " ", c.Policies[1].Rules[0]), "mask {[user] hash  0 SHA-512  .x}"},
		"a policy may leave link columns out":      {c.Policies[2].Links, "omit"},
		"ISO periods are read":                     {fmt.Sprint(c.Controllers[0].ScrubAfter, c.Work.RescueAfter), fmt.Sprint(72*time.Hour, time.Minute)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := load(t, `database: mysql://root:hunter2@db/lethe
sorces: {}
sources:
  shop: {postgres: [postgres://a, postgres://a]}
  desk: {manual: someone@x.example}
datamap: []
controllers:
  "bo ta": {name: Bota, country: CZ, dpo: "no address", scope: 1}
  tea: {name: Tea, scope: 1, dpo: dpo@tea.example, clock: waits}
mail: {url: "smtp+starttls://u:${NOT_SET}@mail", from: "Bota <a@b.example>"}
storage: s3://bucket/prefix
public_url: privacy.example
listen: nowhere
work: {concurrency: none}
proxies: [10.1.2.3/16, everybody, 0.0.0.0/0]
policies:
  erasure: {kind: erasing, rules: []}
  all: {kind: erasure, rules: [{categories: []}, {categories: [user], strategy: {strategy: string_rewrite}}]}
`)
	want := []string{
		"1:11: database: a URL beginning with postgres://",
		"2:1: lethe.yaml: unknown key sorces (did you mean sources?)",
		"4:35: sources: shop: postgres: shard 2 is named twice",
		"5:18: sources: desk: manual: keys with values expected",
		"6:10: datamap: at least one file",
		"8:3: controllers: bo ta: a controller's key",
		"8:43: controllers: bo ta: dpo: a plain mail address",
		"9:3: controllers: tea: has the same scope as bo ta",
		"9:9: controllers: tea: country is missing",
		"9:59: controllers: tea: clock: this version",
		"10:13: mail: url: the environment variable NOT_SET is not set",
		"10:56: mail: from: a plain mail address",
		"11:10: storage: a folder in a bucket is written as s3://bucket?prefix=folder/",
		"12:13: public_url: the address that people see",
		"13:9: listen: HOST:PORT",
		"14:21: work: concurrency: a whole number",
		"15:10: proxies: a network's address ends with its length",
		"15:10: proxies: networks such as",
		"15:10: proxies: a network of everybody",
		"17:3: policies: erasure is the name of a built-in policy",
		"17:19: policies: erasure: kind: access, export, erasure expected",
		"18:45: policies: all: rules: categories: at least one category expected, such as user",
		"18:82: policies: all: rules: strategy: string_rewrite needs configuration: {rewrite_value: …}",
		"key_file is missing",
	}
	var all []string
	for _, p := range problems {
		all = append(all, strings.TrimPrefix(p.String(), p.File+":"))
	}
	text := strings.Join(all, "\n")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("expected a problem %q among:\n%s", w, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("a password shows in:\n%s", text)
	}
}

func TestLoadRefusesHostileFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"aliases":    {"database: &a postgres://u:hunter2@db/x\nstorage: *a\n", "1:11: database: anchors and aliases are not read here; write the value out"},
		"merge keys": {"mail: &a {url: 'smtp://u:hunter2@mail'}\ncontrollers: {a: {<<: *a}}\n", "merge keys are not read here; write the keys out"},
		"an alias bomb": {"a: &a [x, x]\nb: &b [*a, *a]\ndatamap: [*b, *b, hunter2]\n",
			"3:11: datamap: anchors and aliases are not read here; write the value out"},
		"duplicate keys": {"database: postgres://u:hunter2@db\ndatabase: postgres://u:hunter2@db\n", "2:1: lethe.yaml: database stands twice; the first is in line 1"},
		"brackets":       {"database: " + strings.Repeat("[", 80_000), "1:74: nested more than 64 levels deep"},
		"100,000 keys":   {"sources:\n" + strings.Repeat("  hunter2: {}\n", 60_000), "4002:10: more than 4000 keys in one mapping"},
		"tabs":           {"mail:\n\turl: smtp://u:hunter2@mail\n", "2:1: a tab cannot indent in YAML; use spaces"},
		"NUL":            {"database: postgres://u:hunter2@db\x00\n", "the file is not UTF-8 text"},
		"too large":      {"# " + strings.Repeat("x", 1<<20), "larger than 1 MiB"},
		"no YAML":        {"database: 'postgres://u:hunter2@db\n", "can be read"},
		"a list":         {"- database: postgres://u:hunter2@db\n", "keys with values expected"},
		"empty":          {"", "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, problems := load(t, tc.text)
			text := fmt.Sprint(problems)
			if c != nil || !strings.Contains(text, tc.want) {
				t.Errorf("expected a problem with %q, got %s", tc.want, text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("a password shows in: %s", text)
			}
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	_, problems := Load(filepath.Join(t.TempDir(), "none.yaml"), os.LookupEnv)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "--config") {
		t.Errorf("a missing file should say what to do: %v", problems)
	}
}

func TestPeopleAsSources(t *testing.T) {
	t.Parallel()
	c, problems := load(t, strings.Replace(good, "datamap:", `  paper: {region: CZ, manual: {owner: HR desk, mail: hr@bota.example, holds: paper files of applicants}}
  vault: {manual: {owner: Vault, mail: vault@bota.example, holds: contracts, days: 5, limit: 2 MB, controllers: [bota]}}
brake: {root_rows: 40}
datamap:`, 1))
	if len(problems) > 0 {
		t.Fatalf("expected no problems, got %v", problems)
	}
	paper, vault := c.Sources[1].Manual, c.Sources[2].Manual
	if paper == nil || paper.Days != 10 || paper.Limit != 50_000_000 || paper.Owner != "HR desk" || c.Sources[1].Region != "CZ" {
		t.Errorf("expected a desk with ten days and 50 MB unless it says otherwise, got %+v", paper)
	}
	if vault == nil || vault.Days != 5 || vault.Limit != 2_000_000 || strings.Join(vault.Controllers, " ") != "bota" {
		t.Errorf("expected what the file says, got %+v", vault)
	}
	if c.Brake.RootRows != 40 || c.Brake.Times != 0 {
		t.Errorf("expected a brake at 40 root rows, got %+v", c.Brake)
	}
	for text, want := range map[string]string{
		"paper: {manual: {owner: HR, mail: not an address, holds: x}}":                       "a plain mail address",
		"paper: {manual: {mail: a@b.example, holds: x}}":                                     "owner is missing",
		"paper: {manual: {owner: HR, mail: a@b.example}}":                                    "holds is missing",
		"paper: {manual: {owner: HR, mail: a@b.example, holds: x, days: 0}}":                 "a whole number from 1 to 60",
		"paper: {manual: {owner: HR, mail: a@b.example, holds: x, limit: huge}}":             "a size from 1kB to 2GB",
		"paper: {manual: {owner: HR, mail: a@b.example, holds: x, limit: 99999999999999GB}}": "a size from 1kB to 2GB",
		"paper: {manual: {owner: HR, mail: a@b.example, holds: x, controllers: [nobody]}}":   "there is no controller nobody",
		`paper: {manual: {owner: "HR\nBcc: x", mail: a@b.example, holds: x}}`:                "one line of words",
		"paper: {region: CZ}": "in one way: postgres, objects or manual",
		"paper: {postgres: postgres://x, manual: {owner: HR, mail: a@b.example, holds: x}}": "in one way: postgres, objects or manual",
	} {
		_, problems := load(t, strings.Replace(good, "datamap:", "  "+text+"\ndatamap:", 1))
		if !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: expected a problem with %q, got %v", text, want, problems)
		}
	}
}

func TestStoresOfFiles(t *testing.T) {
	t.Parallel()
	c, problems := load(t, strings.Replace(good, "datamap:", "  files: {objects: \"s3://papers?prefix=chat/&region=eu-central-1\", region: DE}\ndatamap:", 1))
	if len(problems) > 0 {
		t.Fatalf("expected no problems, got %v", problems)
	}
	if got := c.Sources[1]; got.Objects != "s3://papers?prefix=chat/&region=eu-central-1" || len(got.Postgres) > 0 || got.Region != "DE" {
		t.Errorf("expected a store of files, got %+v", got)
	}
	for address, want := range map[string]string{
		"ftp://x":                "a URL beginning with file:// or s3://",
		"file://relative/path":   "three slashes",
		"file:///":               "three slashes",
		"s3://bucket/folder":     "?prefix=",
		"s3://":                  "a bucket is written",
		"s3://id:hunter2@bucket": "credentials do not stand in the address",
	} {
		_, problems := load(t, strings.Replace(good, "datamap:", "  files: {objects: \""+address+"\"}\ndatamap:", 1))
		if text := fmt.Sprint(problems); !strings.Contains(text, want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: expected a problem with %q, and no password, got %v", address, want, problems)
		}
	}
}

func TestOnlyPeopleAsSources(t *testing.T) {
	t.Parallel()
	_, problems := load(t, strings.Replace(good, `shop: {postgres: "${SHOP_URL}", region: CZ}`, "paper: {manual: {owner: HR, mail: a@b.example, holds: x}}", 1))
	if !strings.Contains(fmt.Sprint(problems), "at least one source that is not a person") {
		t.Errorf("expected to be told that a map needs more than people, got %v", problems)
	}
}
