package datamap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// digest covers all that a statement can depend on, and not the map's digest
// alone: two plans made in one process from maps put together by hand must
// never share a prepared statement.
func (p *Plan) digest(m *Map) string {
	h := sha256.New()
	write(h, m.Digest, p.Kind, p.Policy, p.Identities, p.Cyclic, p.Left)
	for _, v := range p.Visits {
		c := v.Collection
		write(h, "visit", c.FullName(), c.Dataset.Source, c.Dataset.Schema, c.Controller, c.Owner, c.SharedErase,
			c.Order, c.EraseAfter, v.Delete, v.Component)
		for _, f := range c.Fields {
			write(h, "field", f.Name, f.PrimaryKey, f.DataType, f.Length, f.Match, f.Identity)
		}
		for _, s := range v.Seeds {
			write(h, "seed", s.Field.Name, s.Identity)
		}
		for _, l := range v.Links {
			write(h, "link", l.From.FullName(), l.To.FullName(), l.Own)
		}
		for _, t := range v.Targets {
			write(h, "target", t.Field.Name)
			if t.Masking != nil {
				write(h, *t.Masking)
			}
		}
		for _, f := range v.LinkFields {
			write(h, "link field", f.Name)
		}
		for _, l := range v.Referrers {
			write(h, "referrer", l.From.FullName(), l.From.Collection.Dataset.Schema, l.To.Name)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// write adds values, quoted so that no two lists read the same.
func write(h hash.Hash, values ...any) {
	for _, v := range values {
		fmt.Fprintf(h, "%#v;", v)
	}
}
