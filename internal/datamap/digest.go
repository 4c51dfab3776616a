package datamap

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
)

// digest covers all that a statement can depend on, and not the map's digest
// alone: two plans made in one process from maps put together by hand must
// never share a prepared statement.
func (p *Plan) digest(m *Map) string {
	var b inscription
	b.add(m.Digest, string(p.Kind), p.Policy, p.Identities, p.Cyclic, p.Left)
	link := func(what string, l Link) {
		b.add(what, l.From.Collection.Dataset.Source, l.From.Collection.Dataset.Schema, l.Own)
		for _, pair := range l.Pairs() {
			b.add(pair.From.FullName(), pair.To.FullName())
		}
	}
	for _, v := range p.Visits {
		c := v.Collection
		b.add("visit", c.FullName(), c.Dataset.Source, c.Dataset.Schema, c.Controller, c.Owner, c.SharedErase,
			c.Order, c.EraseAfter, v.Delete, v.Component)
		for _, f := range c.AllFields() {
			b.add("field", f.LocalName(), f.PrimaryKey, f.DataType, f.Length, string(f.Match), f.Identity,
				f.Array, f.AllElements, f.Request, f.Object, f.Redact, f.Mentions)
		}
		for _, k := range c.Keeps {
			b.add("keep", k.For, k.From, k.Because)
			for _, column := range slices.Sorted(maps.Keys(k.Where)) {
				b.add(column)
				for _, value := range k.Where[column] {
					b.add(value != nil)
					if value != nil {
						b.add(*value)
					}
				}
			}
			for _, f := range k.Mask {
				b.add("masked", f.LocalName())
				if f.Masking != nil {
					b.masking(f.Masking)
				}
			}
		}
		for _, s := range v.Seeds {
			b.add("seed", s.Field.LocalName(), s.Identity)
		}
		for _, l := range v.Links {
			link("link", l)
		}
		for _, t := range v.Targets {
			b.add("target", t.Field.LocalName())
			if t.Masking != nil {
				b.masking(t.Masking)
			}
		}
		for _, f := range v.LinkFields {
			b.add("link field", f.LocalName())
		}
		for _, f := range v.Withheld {
			b.add("withheld", f.LocalName())
		}
		for _, l := range v.Referrers {
			link("referrer", l)
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// inscription is text to be hashed: each value quoted or led by its sort, so
// that no two lists of values read the same.
type inscription []byte

func (b *inscription) masking(m *Masking) {
	b.add(m.Strategy, m.Value, m.Length, m.Suffix, m.Algorithm, m.Mode)
}

func (b *inscription) add(values ...any) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			*b = strconv.AppendQuote(*b, v)
		case int:
			*b = strconv.AppendInt(*b, int64(v), 10)
		case bool:
			*b = strconv.AppendBool(*b, v)
		case []string:
			*b = append(*b, '[')
			for _, s := range v {
				*b = strconv.AppendQuote(*b, s)
			}
			*b = append(*b, ']')
		default:
			panic("datamap: a value of a sort that digests do not know") // a mistake of this file
		}
		*b = append(*b, ';')
	}
}
