package postgres

import "slices"

// remember returns what depends on the plan and the catalogue alone, reckoned
// once for a program and kept as long as it: for a subject with few rows such
// reckoning took longer than Postgres did. What is returned is shared by all
// walks and must not be changed.
func remember[T any](p *program, key any, reckon func() T) T {
	if known, ok := p.known.Load(key); ok {
		return known.(T)
	}
	known, _ := p.known.LoadOrStore(key, reckon()) // two may reckon; both come to the same
	return known.(T)
}

type (
	certainKey struct {
		v     variant
		holds bool
	}
	foreseenKey struct {
		t task
		v variant
	}
	bearingKey struct{ stop int }
	shownKey   struct{ stop int }
	apartKey   struct{}
	filesKey   struct{}
	secretKey  struct{}
	endsKey    struct{}
	unitesKey  struct{}
	tablesKey  struct{}
	quickKey   struct{ v variant }
)

// certain settles what is certain of each stop, in their order. A walk with
// holds can be sure of nothing that an erasure does.
func (p *program) certain(v variant, holds bool) []certainty {
	return remember(p, certainKey{v, holds}, func() []certainty { return p.ascertain(v, holds) })
}

// A foreseen is what the last counts of a walk's statement stand for.
type foreseen struct {
	beyond []reachBeyond
	brakes []brake
}

// foreseen are those of a chain.
func (p *program) foreseen(t task, v variant) foreseen {
	return remember(p, foreseenKey{t, v}, func() foreseen {
		return (&writer{p: p, certain: p.certain(v, false), v: v}).foreseen(t)
	})
}

func (w *writer) foreseen(t task) (f foreseen) {
	if t != toFind && t != toGive {
		f.beyond = w.beyond(settledIn)
	}
	f.brakes = w.brakes(settledIn)
	return f
}

// A bearing is how the rows of a stop are given: their columns, the places
// among these of the key by which they are put in order here (see sortedHere), and
// of the fields that are asked for, where what travels of these tells whether a
// row has a value in one; nil where it does not.
type bearing struct {
	gifts   []gift
	names   []string
	classes []class
	sorted  []int
	asked   []int
}

func (p *program) bearing(s *stop) *bearing {
	return remember(p, bearingKey{s.i}, func() *bearing {
		b := &bearing{gifts: s.given(), sorted: s.sortedHere()}
		for _, g := range b.gifts {
			b.names = append(b.names, g.field.Name)
			b.classes = append(b.classes, s.t.columns[g.field.Name].class)
		}
		b.asked = s.askedAmong(b.gifts)
		return b
	})
}

// askedAmong: what is cut out of a document may leave nothing of it, and of a
// value with fields Postgres says that it is NULL when one of them is.
func (s *stop) askedAmong(gifts []gift) []int {
	var places []int
	for _, t := range s.visit.Targets {
		if t.Field.Redact || redacted(t.Field) {
			continue
		}
		i := slices.IndexFunc(gifts, func(g gift) bool { return g.field == t.Field })
		if i < 0 || len(gifts[i].parts)+len(gifts[i].gone) > 0 || s.t.columns[t.Field.Name].class == classOther {
			return nil
		}
		places = append(places, i)
	}
	return places
}
