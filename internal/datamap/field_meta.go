package datamap

import (
	"regexp"
	"slices"
	"strings"
)

// identityName is what a type of identity may be called; requestName what a
// field of the request may.
var (
	identityName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)
	requestName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,59}$`)
)

// metaPlaces are where the keys of a field's fides_meta stand that are checked
// once the whole field has been read.
type metaPlaces struct {
	identity, primary, masking, all, length, request pair
	wrongType                                        bool // data_type was not understood: no further complaint about it
}

// fieldMeta reads fides_meta.
func (p *mapReader) fieldMeta(r *reader, meta pair, f *Field) (said metaPlaces) {
	for _, q := range r.pairs(meta, fieldMetaKeys()) {
		if isNull(q.value) {
			continue // Fides writes every key it knows, empty ones as null
		}
		switch q.key {
		case "identity":
			said.identity = q
			f.Identity = IdentityType(r.text(q))
			switch {
			case !identityName.MatchString(f.Identity):
				r.out.fail(q.pos, "an identity type is letters, digits and _, as in email")
				f.Identity = ""
			case f.Identity == Row:
				r.out.fail(q.pos, "an identity cannot be called row, which is what rows are called that the DPO picks; choose another name")
				f.Identity = ""
			}
			if known := IdentityType(strings.ToLower(f.Identity)); known != f.Identity && (known == Email || known == Phone) {
				r.out.warn(q.pos, "identity %s is a type of its own, and a request by %s does not look here; did you mean %q?", f.Identity, known, known)
			}
		case "primary_key":
			said.primary = q
			f.PrimaryKey = r.flag(q)
		case "read_only":
			f.ReadOnly = r.flag(q)
		case "references":
			p.references(r, q, f)
		case "data_type":
			f.DataType, f.Array, said.wrongType = p.dataType(r, q)
		case "length":
			said.length = q
			f.Length = r.number(q, 1, 1<<24)
		case "return_all_elements":
			said.all = q
			f.AllElements = r.flag(q)
		case "custom_request_field":
			said.request = q
			f.Request = r.text(q)
			if !requestName.MatchString(f.Request) {
				r.out.fail(q.pos, "custom_request_field names a field of the request: letters, digits, _ . -, as in order_number")
				f.Request = ""
			}
		case "masking_strategy_override":
			said.masking = q
			f.Masking = p.masking(r, q)
		case "redact":
			p.redact(r, q)
		}
	}
	return said
}

// dataTypes of Fideslang.
func dataTypes() []string {
	return []string{"string", "integer", "float", "boolean", "object", "object_id"}
}

func (p *mapReader) dataType(r *reader, q pair) (element string, array, wrong bool) {
	t := r.text(q)
	element, array = strings.CutSuffix(t, "[]")
	if t != "" && !slices.Contains(dataTypes(), element) {
		r.out.fail(q.pos, "unknown data_type %q%s", t, r.out.meantOr(element, slices.Values(dataTypes()), "known are "+strings.Join(dataTypes(), ", ")+", each also with []"))
		return "", array, true
	}
	return element, array, false
}

// checkField holds what a field is said to be against itself.
func (p *mapReader) checkField(r *reader, f *Field, said metaPlaces) {
	if said.all.key != "" && !f.Array && !said.wrongType && f.AllElements {
		r.out.fail(said.all.pos, "return_all_elements needs an array: data_type: string[]")
	}
	if f.isObject() {
		for _, q := range []pair{said.identity, said.request} {
			if q.key != "" {
				r.out.fail(q.pos, "%s needs a value to compare, and %s is an object; put it on one of its fields", q.key, f.LocalName())
			}
		}
	}
	if f.PrimaryKey && f.Parent != nil {
		r.out.warn(said.primary.pos, "primary_key inside an object names no row: its only effect is that %s is not masked", f.LocalName())
	}
	if f.Masking != nil {
		p.checkMasking(r, said.masking, f)
	}
	if said.length.key != "" && !slices.Contains([]string{"", "string", "object_id"}, f.DataType) {
		r.out.warn(said.length.pos, "length cuts text only; it has no effect on data_type: %s", f.DataType)
	}
}

// isObject tells that a field holds no single value to compare.
func (f *Field) isObject() bool { return f.DataType == "object" || len(f.Fields) > 0 }
