package datamap

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// digest covers all that a statement can depend on, and not the map's digest
// alone: two plans made in one process from maps put together by hand must
// never share a prepared statement.
func (p *Plan) digest(m *Map) string {
	var b inscription
	b.add(m.Digest, string(p.Kind), p.Policy, p.Identities, p.Cyclic, p.Left)
	for _, v := range p.Visits {
		c := v.Collection
		b.add("visit", c.FullName(), c.Dataset.Source, c.Dataset.Schema, c.Controller, c.Owner, c.SharedErase,
			c.Order, c.EraseAfter, v.Delete, v.Component)
		for _, f := range c.Fields {
			b.add("field", f.Name, f.PrimaryKey, f.DataType, f.Length, string(f.Match), f.Identity)
		}
		for _, s := range v.Seeds {
			b.add("seed", s.Field.Name, s.Identity)
		}
		for _, l := range v.Links {
			b.add("link", l.From.FullName(), l.To.FullName(), l.Own)
		}
		for _, t := range v.Targets {
			b.add("target", t.Field.Name)
			if t.Masking != nil {
				b.add(t.Masking.Strategy, t.Masking.Value, t.Masking.Length, t.Masking.Suffix)
			}
		}
		for _, f := range v.LinkFields {
			b.add("link field", f.Name)
		}
		for _, l := range v.Referrers {
			b.add("referrer", l.From.FullName(), l.From.Collection.Dataset.Schema, l.To.Name)
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// inscription is text to be hashed: each value quoted or led by its sort, so
// that no two lists of values read the same.
type inscription []byte

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
