package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const topLevel = "lethe.yaml"

// file reads the whole of lethe.yaml; the keys stand in the order of DESIGN.md.
func (r *reader) file(root ast.Node) {
	c := r.c
	r.mapping(root, topLevel, map[string]field{
		"database":    must(r.url(&c.Database, "postgres", "postgresql")),
		"sources":     must(field{read: r.sources}),
		"datamap":     must(r.paths(&c.Datamap)),
		"retention":   r.path(&c.Retention),
		"controllers": must(field{read: r.controllers}),
		"recipients":  {read: r.recipients},
		"mail":        must(field{read: r.mail}),
		"storage":     must(field{read: r.storage}),
		"key_file":    must(r.path(&c.KeyFile)),
		"listen": {read: func(n ast.Node, what string) {
			c.Listen, _ = r.value(n, what, false)
			if !validListen(c.Listen) {
				r.Say(n, "%s: HOST:PORT expected, such as 127.0.0.1:8080", what)
			}
		}},
		"public_url":   must(field{read: func(n ast.Node, what string) { r.publicURL(n, what, &c.PublicURL) }}),
		"proxies":      {read: r.proxies},
		"policies":     {read: r.policies},
		"minimum_keep": r.period(&c.MinimumKeep, time.Hour),
		"work": {read: func(n ast.Node, what string) {
			r.mapping(n, what, map[string]field{
				"concurrency":  r.number(&c.Work.Concurrency, 1, 200),
				"job_limit":    r.period(&c.Work.JobLimit, time.Second),
				"rescue_after": r.period(&c.Work.RescueAfter, time.Second),
			})
		}},
		"brake": {read: func(n ast.Node, what string) {
			r.mapping(n, what, map[string]field{
				"root_rows": r.number(&c.Brake.RootRows, 1, 1_000_000),
				"times":     r.number(&c.Brake.Times, 2, 1_000_000),
			})
		}},
	})
}

func (r *reader) sources(n ast.Node, what string) {
	others := 0
	for _, e := range r.Entries(n, what) {
		s := Source{Name: e.Name}
		at := what + ": " + e.Name
		kinds, before := 0, len(r.Problems)
		r.mapping(e.Value, at, map[string]field{
			"postgres": {read: func(n ast.Node, what string) {
				kinds++
				shards := []ast.Node{n}
				if list, ok := n.(*ast.SequenceNode); ok {
					if shards = list.Values; len(shards) == 0 {
						r.Say(n, "%s: at least one shard expected", what)
					}
				}
				for i, n := range shards {
					var u string
					r.url(&u, "postgres", "postgresql").read(n, what)
					if u != "" && slices.Contains(s.Postgres, u) {
						r.Say(n, "%s: shard %d is named twice: each of its rows would be found twice", what, i+1)
					}
					s.Postgres = append(s.Postgres, u)
				}
			}},
			"objects": {read: func(n ast.Node, what string) {
				kinds++
				r.files(n, what, &s)
			}},
			"manual": {read: func(n ast.Node, what string) {
				kinds++
				s.Manual = r.manual(n, what)
				if !validKey(e.Name) {
					r.Say(e.Key, "%s: the name of a person's desk is letters, digits, - and _ (it stands in URLs)", at)
				}
			}},
			"region":   r.str(&s.Region),
			"transfer": r.str(&s.Transfer),
		})
		if kinds != 1 && len(r.Problems) == before {
			r.Say(e.Key, "%s: say where its data are, in one way: postgres, objects or manual", at)
		}
		if len(s.Postgres) == 0 {
			others++
		}
		r.c.Sources = append(r.c.Sources, s)
	}
	switch {
	case len(r.c.Sources) == 0:
		r.Say(n, "%s: at least one source expected", what)
	case others == len(r.c.Sources):
		r.Say(n, "%s: at least one source that is not a person expected, nor a store of files: the data map is looked up there", what)
	}
}

func (r *reader) controllers(n ast.Node, what string) {
	scopes := map[string]string{}
	for _, e := range r.Entries(n, what) {
		c := Controller{Key: e.Name, TimeZone: "UTC", Language: "en", Delivery: "link",
			ScrubAfter: 7 * 24 * time.Hour, Withhold: []string{"user.device.ip_address"}}
		at := what + ": " + e.Name
		if !validKey(e.Name) {
			r.Say(e.Key, "%s: a controller's key is letters, digits, - and _ (it stands in URLs)", at)
		}
		r.mapping(e.Value, at, map[string]field{
			"name":         must(r.str(&c.Name)),
			"country":      must(r.str(&c.Country)),
			"region":       r.str(&c.Region),
			"scope":        r.str(&c.Scope),
			"dpo":          must(r.address(&c.DPO)),
			"language":     r.oneOf(&c.Language, "en", "cs", "de"),
			"address":      r.str(&c.Address),
			"registration": r.str(&c.Registration),
			"time_zone": {read: func(n ast.Node, what string) {
				c.TimeZone, _ = r.value(n, what, false)
				if _, err := time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "" {
					r.Say(n, "%s: the name of a time zone expected, such as Europe/Prague", what)
				}
			}},
			"authority":   r.str(&c.Authority),
			"public_url":  {read: func(n ast.Node, what string) { r.publicURL(n, what, &c.PublicURL) }},
			"from":        r.address(&c.From),
			"clock":       r.later("the clock runs from receipt, which errs on the early side"),
			"scrub_after": r.period(&c.ScrubAfter, time.Hour),
			"withhold":    r.list(&c.Withhold),
			"agreement":   r.str(&c.Agreement),
			"automated":   r.str(&c.Automated),
			"delivery":    r.oneOf(&c.Delivery, "link", "attachment"),
			"languages":   r.later("letters are in English"),
			"letters":     r.later("the built-in letters are used"),
		})
		if other, taken := scopes[c.Scope]; taken && c.Scope != "" {
			r.Say(e.Key, "%s: has the same scope as %s: their rows could not be told apart", at, other)
		}
		scopes[c.Scope] = e.Name
		r.c.Controllers = append(r.c.Controllers, c)
	}
	if len(r.c.Controllers) == 0 {
		r.Say(n, "%s: at least one controller expected", what)
	}
}

func (r *reader) recipients(n ast.Node, what string) {
	for _, e := range r.Entries(n, what) {
		p := Recipient{Key: e.Name}
		r.mapping(e.Value, what+": "+e.Name, map[string]field{
			"name":     must(r.str(&p.Name)),
			"role":     must(r.oneOf(&p.Role, "processor", "controller", "joint_controller")),
			"region":   r.str(&p.Region),
			"transfer": r.str(&p.Transfer),
			"gets":     r.list(&p.Gets),
			"notify":   r.address(&p.Notify),
		})
		r.c.Recipients = append(r.c.Recipients, p)
	}
}

func (r *reader) mail(n ast.Node, what string) {
	r.mapping(n, what, map[string]field{
		"url":  must(r.url(&r.c.Mail.URL, "smtp+starttls", "smtps", "smtp")),
		"from": must(r.address(&r.c.Mail.From)),
	})
}

func (r *reader) storage(n ast.Node, what string) {
	r.url(&r.c.Storage, "file", "s3").read(n, what)
	u, err := url.Parse(r.c.Storage)
	if err != nil {
		return
	}
	switch {
	case u.Scheme == "file" && u.Host != "":
		r.Say(n, "%s: a folder is written with three slashes: file:///var/lib/lethe/archives", what)
	case u.Scheme == "s3" && strings.Trim(u.Path, "/") != "":
		// The driver would write to the bucket's root in silence.
		r.Say(n, "%s: a folder in a bucket is written as s3://bucket?prefix=folder/", what)
	}
}

func (r *reader) publicURL(n ast.Node, what string, into *string) {
	s, ok := r.value(n, what, false)
	if !ok {
		return
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		r.Say(n, "%s: the address that people see expected, such as https://privacy.example.com", what)
		return
	}
	*into = strings.TrimRight(s, "/")
}

// proxies reads networks, or single addresses. Bits beyond the length are
// refused: 10.0.0.1/8 is one machine to its writer, and sixteen million to us.
func (r *reader) proxies(n ast.Node, what string) {
	for _, s := range r.Texts(n, what) {
		p, err := netip.ParsePrefix(s)
		if a, aerr := netip.ParseAddr(s); err != nil && aerr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		switch {
		case err != nil:
			r.Say(n, "%s: networks such as 10.1.0.0/16 expected, or single addresses", what)
		case p != p.Masked():
			r.Say(n, "%s: a network's address ends with its length: 10.1.0.0/16, not 10.1.2.3/16", what)
		case p.Bits() == 0:
			r.Say(n, "%s: a network of everybody would let any client choose its own address", what)
		default:
			r.c.Proxies = append(r.c.Proxies, p)
		}
	}
}

func (r *reader) policies(n ast.Node, what string) {
	for _, e := range r.Entries(n, what) {
		at := e.Key.GetToken().Position
		p := Policy{Name: e.Name, Line: at.Line, Column: at.Column}
		if slices.Contains([]string{"access", "export", "erasure"}, e.Name) {
			r.Say(e.Key, "%s: %s is the name of a built-in policy", what, e.Name)
		}
		r.mapping(e.Value, what+": "+e.Name, map[string]field{
			"kind":  must(r.oneOf(&p.Kind, "access", "export", "erasure")),
			"links": r.oneOf(&p.Links, "omit", "mask"),
			"rules": must(field{read: func(n ast.Node, what string) {
				for _, item := range r.Items(n, what) {
					p.Rules = append(p.Rules, r.policyRule(item, what))
				}
			}}),
		})
		r.c.Policies = append(r.c.Policies, p)
	}
}

func (r *reader) policyRule(n ast.Node, what string) PolicyRule {
	var rule PolicyRule
	rewrites := false
	r.mapping(n, what, map[string]field{
		"categories": must(field{read: func(n ast.Node, what string) {
			rule.Categories = r.Texts(n, what)
			if list, ok := n.(*ast.SequenceNode); ok && len(list.Values) == 0 { // to a plan it would be all, system.… among them
				r.Say(n, "%s: at least one category expected, such as user", what)
			}
		}}),
		"strategy": {read: func(n ast.Node, what string) {
			r.mapping(n, what, map[string]field{
				"strategy": must(r.oneOf(&rule.Strategy, "null_rewrite", "string_rewrite", "random_string_rewrite", "hash", "hmac", "aes_encrypt", "preserve")),
				"configuration": {read: func(n ast.Node, what string) {
					r.mapping(n, what, map[string]field{
						"rewrite_value": {read: func(n ast.Node, what string) { rule.Value, rewrites = r.value(n, what, false) }},
						"length":        r.number(&rule.Length, 1, 10_000),
						"algorithm":     r.oneOf(&rule.Algorithm, "SHA-256", "SHA-512"),
						"mode":          r.oneOf(&rule.Mode, "GCM"),
						"format_preservation": {read: func(n ast.Node, what string) {
							r.mapping(n, what, map[string]field{"suffix": r.str(&rule.Suffix)})
						}},
					})
				}},
			})
			if rule.Strategy == "string_rewrite" && !rewrites {
				r.Say(n, "%s: string_rewrite needs configuration: {rewrite_value: …}", what)
			}
		}},
	})
	return rule
}

func validKey(s string) bool {
	if s == "" || len(s) > 60 {
		return false
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return strings.Trim(s, allowed) == ""
}
