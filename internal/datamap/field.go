package datamap

import (
	"regexp"
	"slices"
	"strings"
)

// field reads one entry of a collection's fields:.
func (p *mapReader) field(r *reader, item pair, c *Collection) {
	f := &Field{Pos: item.pos, Collection: c}
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
			r.words(q)
		case "fields":
			objects = q
		case "fides_meta", "fidesops_meta":
			meta = q
		case "lethe":
			lethe = q
		}
	}
	if wrong := nameProblem(f.Name); wrong != "" {
		r.out.fail(f.Pos, "the field's name %s", wrong)
	} else if twin := p.members[c][f.Name]; twin != nil {
		r.out.fail(f.Pos, "field %q stands twice in collection %q; the first is at %s", f.Name, c.Name, position(twin.Pos))
	} else {
		p.members[c][f.Name] = f
	}
	c.Fields = append(c.Fields, f)
	array := p.fieldMeta(r, meta, f)
	p.letheField(r, lethe, f)
	p.objectFields(r, objects, f, array)
}

// identityName is what a type of identity may be called.
var identityName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)

// fieldMeta reads fides_meta, and tells whether the field is an array.
func (p *mapReader) fieldMeta(r *reader, meta pair, f *Field) (array bool) {
	var identity, masking, all, length pair
	for _, q := range r.pairs(meta, fieldMetaKeys()) {
		switch q.key {
		case "identity":
			identity = q
			f.Identity = identityType(r.text(q))
			if !identityName.MatchString(f.Identity) {
				r.out.fail(q.pos, "an identity type is letters, digits and _, as in email")
				f.Identity = ""
			}
		case "primary_key":
			f.PrimaryKey = r.flag(q)
		case "read_only":
			f.ReadOnly = r.flag(q)
		case "references":
			p.references(r, q, f)
		case "data_type":
			f.DataType, array = p.dataType(r, q)
		case "length":
			length = q
			f.Length = r.number(q, 1, 1<<24)
		case "return_all_elements":
			if r.flag(q) {
				all = q
			}
		case "masking_strategy_override":
			masking = q
			f.Masking = p.masking(r, q)
		case "redact":
			p.redact(r, q)
		}
	}
	if all.key != "" && !array {
		r.out.fail(all.pos, "return_all_elements needs an array: data_type: string[]")
	}
	if array && f.Identity != "" {
		r.out.later(identity.pos, "an identity in an array")
	}
	if array {
		p.atEnd(func() {
			if f.References != nil {
				r.out.later(f.References[0].Pos, "a reference on an array")
			}
		})
	}
	if f.Masking != nil {
		p.checkMasking(r, masking, f, array)
	}
	if length.key != "" && !slices.Contains([]string{"", "string", "object_id"}, f.DataType) {
		r.out.warn(length.pos, "length cuts text only; it has no effect on data_type: %s", f.DataType)
	}
	return array
}

// dataTypes of Fideslang.
func dataTypes() []string {
	return []string{"string", "integer", "float", "boolean", "object", "object_id"}
}

func (p *mapReader) dataType(r *reader, q pair) (scalar string, array bool) {
	t := r.text(q)
	element, array := strings.CutSuffix(t, "[]")
	if t != "" && !slices.Contains(dataTypes(), element) {
		r.out.fail(q.pos, "unknown data_type %q%s", t, r.out.didYouMean(element, slices.Values(dataTypes())))
		return "", array
	}
	if array {
		return "", true
	}
	return element, false
}

// objectFields reads the fields inside an object. A column is returned and
// masked as a whole, so what counts of them are their categories; what would
// lead somewhere or mask a part of the column is refused.
func (p *mapReader) objectFields(r *reader, q pair, f *Field, array bool) {
	items, _ := r.list(q)
	if len(items) == 0 {
		return
	}
	if !array && f.DataType != "" && f.DataType != "object" {
		r.out.fail(q.pos, "only an object has fields of its own: data_type is %s", f.DataType)
	}
	for _, item := range items {
		p.objectField(r, pair{key: "field", pos: r.pos(first(item)), value: item}, f)
	}
	r.out.warn(q.pos, "%s is returned and masked as a whole: parts of an object are not carried out by this version", f.Name)
}

func (p *mapReader) objectField(r *reader, item pair, column *Field) {
	for _, q := range r.pairs(item, fieldKeys()) {
		switch q.key {
		case "data_categories":
			for _, c := range p.categories(r, q) {
				if !slices.Contains(column.Categories, c) {
					column.Categories = append(column.Categories, c)
				}
			}
		case "fides_meta", "fidesops_meta":
			for _, k := range r.pairs(q, fieldMetaKeys()) {
				switch k.key {
				case "identity", "references", "primary_key", "masking_strategy_override", "read_only":
					r.out.later(k.pos, "%s inside an object", k.key)
				case "data_type":
					p.dataType(r, k)
				}
			}
		case "lethe":
			r.out.later(q.pos, "lethe keys inside an object")
		case "fields":
			items, _ := r.list(q)
			for _, inner := range items {
				p.objectField(r, pair{key: "field", pos: r.pos(first(inner)), value: inner}, column)
			}
		}
	}
}

func (p *mapReader) letheField(r *reader, lethe pair, f *Field) {
	f.Match = defaultMatch(f.Identity)
	for _, q := range r.pairs(lethe, letheFieldKeys()) {
		switch q.key {
		case "match":
			f.Match = Match(r.text(q))
			known := names(string(Exact), string(Fold), string(E164))
			switch {
			case f.Match != Exact && f.Match != Fold && f.Match != E164:
				r.out.fail(q.pos, "match must be exact, fold or e164%s", r.out.didYouMean(string(f.Match), known))
			case f.Identity == "":
				r.out.fail(q.pos, "match says how an identity is compared, and %s has no identity", f.Name)
			}
		case "provided_by":
			f.ProvidedBy = r.text(q)
			if f.ProvidedBy != "subject" {
				r.out.fail(q.pos, "provided_by can only be subject: what Art. 20 covers")
			}
		default:
			p.legal(r, q, &f.Legal, &f.Legal)
		}
	}
	if f.Match != Exact && f.DataType != "" && f.DataType != "string" {
		r.out.fail(f.Pos, "match %s compares text, and data_type is %s", f.Match, f.DataType)
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

// A pendingReference waits until every file has been read.
type pendingReference struct {
	reference      *Reference
	dataset, field word
}

func (p *mapReader) references(r *reader, q pair, f *Field) {
	items, _ := r.list(q)
	for _, item := range items {
		pos := q.pos
		if item != nil {
			pos = r.pos(first(item))
		}
		one := pendingReference{reference: &Reference{Pos: pos, Field: f}}
		ok := true
		for _, k := range r.pairs(pair{key: "reference", pos: pos, value: item}, referenceKeys()) {
			switch k.key {
			case "dataset":
				one.dataset = word{r.text(k), k.pos}
			case "field":
				one.field = word{r.text(k), k.pos}
			case "direction":
				one.reference.Direction = Direction(r.text(k))
				if d := one.reference.Direction; d != From && d != To && d != Undirected {
					r.out.fail(k.pos, "direction must be from or to; without it the reference is followed from whichever end is reached first")
					ok = false
				}
			}
		}
		switch {
		case one.dataset.text == "" || one.field.text == "":
			r.out.fail(pos, "a reference needs a dataset and a field, as in {dataset: shop, field: orders.id}")
		case ok:
			p.pending = append(p.pending, one)
		}
	}
}
