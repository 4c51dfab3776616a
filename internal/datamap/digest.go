package datamap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
)

// digest covers all that a statement can depend on, and not the map's digest
// alone: two plans made in one process from maps put together by hand must
// never share a prepared statement.
func (p *Plan) digest(m *Map) string {
	b := &inscription{h: sha256.New()}
	b.text(m.Digest, string(p.Kind), p.Policy)
	b.texts(p.Identities)
	b.flags(p.Cyclic)
	b.texts(p.Left)
	for _, v := range p.Visits {
		b.number(v.Component)
		b.visit(v)
	}
	return b.sum()
}

// DigestIn sums up what the plan does in some sources: how rows are found there,
// and what becomes of them. It is the same for two maps that say this in other
// words, or say something else of other sources. "": it visits none of them.
func (p *Plan) DigestIn(sources ...string) string {
	b := &inscription{h: sha256.New()}
	b.text(string(p.Kind), p.Policy)
	b.texts(p.Identities)
	visited := false
	for _, v := range p.Visits {
		if slices.Contains(sources, v.Collection.Dataset.Source) {
			visited = true
			b.visit(v)
		}
	}
	if !visited {
		return ""
	}
	return b.sum()
}

func (b *inscription) visit(v *Visit) {
	c := v.Collection
	b.text("visit", c.Dataset.Key, c.Name, c.Dataset.Source, c.Dataset.Schema, c.Controller, c.Owner)
	b.flags(c.SharedErase, v.Delete)
	b.texts(c.Order)
	b.texts(c.EraseAfter)
	for _, f := range c.AllFields() {
		b.text("field", f.LocalName(), f.DataType, string(f.Match), f.Identity, f.Request, f.Object)
		b.flags(f.PrimaryKey, f.Array, f.Inferred, f.AllElements, f.Redact, f.Mentions)
		b.number(f.Length)
	}
	for _, k := range c.Keeps {
		b.keep(k)
	}
	for _, s := range v.Seeds {
		b.text("seed", s.Field.LocalName(), s.Identity)
	}
	for _, l := range v.Links {
		b.link("link", l)
	}
	for _, t := range v.Targets {
		b.text("target", t.Field.LocalName())
		b.masking(t.Masking)
	}
	for _, f := range v.LinkFields {
		b.text("link field", f.LocalName())
	}
	for _, f := range v.Withheld {
		b.text("withheld", f.LocalName())
	}
	for _, l := range v.Referrers {
		b.link("referrer", l)
	}
}

func (b *inscription) link(what string, l Link) {
	from, to := l.From.Collection, l.To.Collection
	b.text(what, from.Dataset.Key, from.Name, from.Dataset.Source, from.Dataset.Schema, to.Dataset.Key, to.Name, l.From.LocalName(), l.To.LocalName())
	b.flags(l.Own)
	for _, p := range l.And {
		b.text("and", p.From.LocalName(), p.To.LocalName())
	}
}

func (b *inscription) keep(k Keep) {
	b.text("keep", k.For, k.From, k.Because)
	for _, l := range k.With {
		b.link("with", l)
	}
	for _, column := range slices.Sorted(maps.Keys(k.Where)) {
		b.text("where", column)
		for _, value := range k.Where[column] {
			b.flags(value != nil)
			if value != nil {
				b.text(*value)
			}
		}
	}
	for _, f := range k.Mask {
		b.text("masked", f.LocalName())
		b.masking(f.Masking)
	}
}

func (b *inscription) masking(m *Masking) {
	b.flags(m != nil)
	if m != nil {
		b.text(m.Strategy, m.Value, m.Suffix, m.Algorithm, m.Mode)
		b.number(m.Length)
	}
}

// inscription is text to be hashed: each value led by its sort and length, so
// that no two lists of values read the same. Thousands of collections go by in
// milliseconds, because nothing is put together that is not hashed at once.
type inscription struct {
	h   hash.Hash
	buf []byte
}

func (b *inscription) sum() string {
	b.flush()
	return hex.EncodeToString(b.h.Sum(nil))
}

func (b *inscription) flush() {
	b.h.Write(b.buf) // never fails
	b.buf = b.buf[:0]
}

func (b *inscription) text(values ...string) {
	for _, v := range values {
		b.buf = append(binary.AppendUvarint(append(b.buf, 's'), uint64(len(v))), v...)
	}
	if len(b.buf) > 4096 {
		b.flush()
	}
}

func (b *inscription) texts(list []string) {
	b.number(len(list))
	b.text(list...)
}

func (b *inscription) number(n int) {
	b.buf = binary.AppendVarint(append(b.buf, 'n'), int64(n))
}

func (b *inscription) flags(values ...bool) {
	for _, v := range values {
		if v {
			b.buf = append(b.buf, 't')
		} else {
			b.buf = append(b.buf, 'f')
		}
	}
}
