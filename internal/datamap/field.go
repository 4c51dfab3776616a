package datamap

import (
	"slices"
	"strings"
)

// field reads one entry of fields:, of a collection or of the object parent.
func (p *mapReader) field(r *reader, item pair, c *Collection, parent *Field) {
	if !r.shaped(item, fieldKeys()) {
		return
	}
	f := &Field{Pos: item.pos, Collection: c, Parent: parent}
	var objects, meta, lethe pair
	for _, q := range r.pairs(item, fieldKeys()) {
		switch q.key {
		case "name":
			f.Pos, f.Name = q.pos, r.text(q)
		case "description":
			f.Description = r.text(q)
		case "data_categories":
			f.Categories = p.categories(r, q)
		case "data_uses", "data_purposes":
			f.Uses = texts(r.words(q))
		case "data_subjects":
			f.Subjects = texts(r.words(q))
		case "fields":
			objects = q
		case "fides_meta", "fidesops_meta":
			meta = q
		case "lethe":
			lethe = q
		}
	}
	p.join(r, f)
	said := p.fieldMeta(r, meta, f)
	p.letheField(r, lethe, f, said)
	items, _ := r.list(objects)
	if len(items) > 0 {
		switch f.DataType {
		case "":
			if !said.wrongType {
				f.DataType, f.Inferred = "object", true // as Fideslang infers it
			}
		case "object":
		default:
			r.out.fail(objects.pos, "only an object has fields of its own: data_type is %s", f.DataType)
		}
	}
	for _, inner := range items {
		p.field(r, pair{key: "field", pos: r.pos(first(inner)), value: inner}, c, f)
	}
	p.checkField(r, f, said)
}

// join puts a field where it belongs. One with a name that cannot be is known by
// it all the same, so that what refers to it is no second mistake.
func (p *mapReader) join(r *reader, f *Field) {
	members, place := p.members[f.Collection], "collection \""+f.Collection.Name+"\""
	if f.Parent != nil {
		if p.inner[f.Parent] == nil {
			p.inner[f.Parent] = make(map[string]*Field)
		}
		members, place = p.inner[f.Parent], f.Parent.LocalName()
		f.Parent.Fields = append(f.Parent.Fields, f)
	} else {
		f.Collection.Fields = append(f.Collection.Fields, f)
	}
	wrong := nameProblem(f.Name)
	if f.Parent != nil {
		wrong = keyProblem(f.Name)
	}
	if wrong != "" {
		r.out.fail(f.Pos, "the field's name %s", wrong)
	}
	if twin := members[f.Name]; twin != nil && f.Name != "" {
		r.out.fail(f.Pos, "field %q stands twice in %s; the first is at %s", f.Name, place, position(twin.Pos))
		return
	}
	if f.Name != "" {
		members[f.Name] = f
	}
}

// keyProblem says what is wrong with the name of a key inside an object.
func keyProblem(name string) string {
	if wrong := nameProblem(strings.ReplaceAll(name, ".", "_")); wrong != "" && len(name) <= 63 {
		return wrong
	}
	switch {
	case strings.ContainsRune(name, '.'):
		return "holds a dot; what stands deeper is written as the fields of the object above it"
	case len(name) > 1000:
		return "is longer than 1000 bytes"
	}
	return ""
}

// letheField reads what is Lethe's own of a field.
func (p *mapReader) letheField(r *reader, lethe pair, f *Field, said metaPlaces) {
	f.Match = defaultMatch(f.Identity)
	for _, q := range r.pairs(lethe, letheFieldKeys()) {
		switch q.key {
		case "match":
			f.Match = p.match(r, q, f, said)
		case "provided_by":
			f.ProvidedBy = r.text(q)
			if f.ProvidedBy != "subject" {
				r.out.fail(q.pos, "provided_by can only be subject: what Art. 20 covers")
			}
		case "object":
			f.Object = r.text(q)
			p.checkStore(r, q, f)
		case "redact":
			f.Redact = r.flag(q)
		case "mentions":
			f.Mentions = r.flag(q)
			if f.Mentions && !said.wrongType && (f.Parent != nil || f.Array || f.DataType != "" && f.DataType != "string") {
				r.out.fail(q.pos, "mentions are searched in a column of text, and %s is none", f.LocalName())
			}
		default:
			p.legal(r, q, &f.Legal, &f.Legal)
		}
	}
	if f.Match != Exact && f.DataType != "" && f.DataType != "string" {
		r.out.fail(f.Pos, "match %s compares text, and data_type is %s", f.Match, f.DataType)
	}
}

func (p *mapReader) match(r *reader, q pair, f *Field, said metaPlaces) Match {
	m := Match(r.text(q))
	switch {
	case m != Exact && m != Fold && m != E164:
		r.out.fail(q.pos, "match must be exact, fold or e164%s", r.out.didYouMean(string(m), names(string(Exact), string(Fold), string(E164))))
		return Exact
	case f.Identity == "" && said.identity.key == "":
		r.out.fail(q.pos, "match says how an identity is compared, and %s has no identity", f.LocalName())
		return Exact
	}
	return m
}

// checkStore wants the name of a configured source in a column of text.
func (p *mapReader) checkStore(r *reader, q pair, f *Field) {
	known := p.options.Stores
	if known == nil {
		known = p.options.Sources
	}
	switch {
	case f.Object == "":
		r.out.fail(q.pos, "object needs the name of the source that holds the files, as in object: files")
	case known != nil && !slices.Contains(known, f.Object):
		r.out.fail(q.pos, "unknown source %q%s", f.Object, r.out.didYouMean(f.Object, slices.Values(known)))
	case f.Parent != nil || f.Array || f.DataType == "object":
		r.out.fail(q.pos, "object is for a column that names one file, and %s is none", f.LocalName())
	}
}

func defaultMatch(identity string) Match {
	switch identity {
	case Email:
		return Fold
	case Phone:
		return E164
	}
	return Exact
}
