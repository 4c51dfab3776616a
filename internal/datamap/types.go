package datamap

import "slices"

// A Map is every dataset of all files, resolved and checked.
type Map struct {
	Datasets []*Dataset
	// Digest is the hex SHA-256 over the files' contents in the order given;
	// it stands in each archive's manifest and each plan.
	Digest string
	// Categories are the map's own ones (data_category: in the files), sorted,
	// beside the default taxonomy.
	Categories []string
}

// Pos is where something stands in a file. Lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

// A Dataset is a group of collections in one source.
type Dataset struct {
	Pos         Pos
	Key         string // fides_key
	Name        string
	Description string
	Source      string // lethe: {source: …}, else the source of its own name, else the only one
	Schema      string // fides_meta.namespace.schema; empty: the connection's search path
	Categories  []string
	Uses        []string // data_uses: purposes
	Subjects    []string
	Legal       Legal
	After       []string
	Collections []*Collection
	// Ignored are tables ("visits") and columns ("visits.agent") that
	// `datamap draft --update` does not add again: lethe: {draft: {ignore: […]}}.
	Ignored []string
	Among   List // the list that the dataset stands in
	Items   List // its collections
}

// Legal is what letters say of a dataset, collection or field; each empty part
// is inherited from the level above when the map is resolved.
type Legal struct {
	Basis   string // the letter of Art. 6(1): a … f
	Consent string // category of consent that it rests on
	Origin  string // Art. 15(1)(g): where the data came from
	Kept    string // Art. 15(1)(d): how that is decided, where no retention rule says how long
}

// A Collection is a table or view.
type Collection struct {
	Pos         Pos
	Dataset     *Dataset
	Name        string
	Description string
	Categories  []string // own, else the dataset's
	Uses        []string // own, else the dataset's
	Subjects    []string // own, else the dataset's
	Legal       Legal    // resolved
	Fields      []*Field
	After       []string // full names
	EraseAfter  []string // full names
	Skip        bool     // skip_processing
	Delete      bool     // masking_strategy_override: {strategy: delete}
	Controller  string   // lethe: {controller: column}
	Owner       string   // lethe: {owner: column}
	SharedErase bool     // lethe: {shared: erase}
	Order       []string // lethe: {order: […]}
	// AllOf are the fields of lethe: {all_of: […]}: references of these that lead
	// to or from one other collection are one composite link (Link.And). Where
	// all_of is a list of lists, each list ties its own, and AllOf holds them all.
	AllOf []*Field
	allOf [][]*Field
	Keeps []Keep // lethe: {keep: […]}: rows that a law keeps (Art. 17(3))
	Items List   // its fields
}

// A Keep names rows that an erasure leaves, because a law keeps them: those
// that fit Where and whose start lies less than the period back. Of them, the
// fields in Mask are masked all the same.
type Keep struct {
	Pos     Pos
	Where   map[string][]*string // column -> admitted values, as retention rules have it; empty: every row
	For     string               // ISO 8601 period; empty: without end
	From    string               // column of the start; empty only where For is
	Because string               // what the letter says: the law, in words
	Mask    []*Field             // masked though the row is kept, by their own masking, else null_rewrite
	// With leads, link by link, from the row to the one with which it is kept
	// (with: invoice_id): Where, For and From are of that one. Empty: its own.
	With []Link
}

// keeper is the collection whose row says whether another is kept (With).
func (k Keep) keeper() *Collection { return k.With[len(k.With)-1].To.Collection }

// FullName is "dataset.collection".
func (c *Collection) FullName() string { return c.Dataset.Key + "." + c.Name }

// Field returns the field of that name, or nil.
func (c *Collection) Field(name string) *Field {
	for _, f := range c.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Seeded tells whether people are found in the collection by themselves: some field holds an identity.
func (c *Collection) Seeded() bool {
	return slices.ContainsFunc(c.AllFields(), func(f *Field) bool { return f.Identity != "" })
}

// AllFields lists every field at any depth, in the map's order, an object before
// its own fields. Fields alone are the columns.
func (c *Collection) AllFields() []*Field {
	flat := true
	for _, f := range c.Fields {
		flat = flat && len(f.Fields) == 0
	}
	if flat {
		return c.Fields
	}
	var all []*Field
	var add func(list []*Field)
	add = func(list []*Field) {
		for _, f := range list {
			all = append(all, f)
			add(f.Fields)
		}
	}
	add(c.Fields)
	return all
}

// PrimaryKey returns the primary_key fields in the map's order.
func (c *Collection) PrimaryKey() []*Field {
	var key []*Field
	for _, f := range c.Fields {
		if f.PrimaryKey {
			key = append(key, f)
		}
	}
	return key
}

// A Field is a column, or, with a Parent, a field inside a JSON column.
type Field struct {
	Pos         Pos
	Collection  *Collection
	Parent      *Field   // the object that it stands in; nil: a column
	Fields      []*Field // an object's own fields
	Name        string   // of a column or of a JSON key; never a path
	Array       bool     // data_type string[] and the like: a Postgres array, or a JSON array
	AllElements bool     // return_all_elements: an array that a reference led to is given whole, not only the elements that matched
	// Request names the field of the request (custom_request_field) whose value
	// narrows the collection to the rows that hold it here.
	Request     string
	Description string
	Categories  []string // own, else the collection's, else the dataset's; an object's with those of its own fields
	Uses        []string // own, else the collection's
	Subjects    []string // own, else the collection's
	Legal       Legal    // resolved
	Identity    string   // identity type that seeds here, or ""
	Match       Match
	PrimaryKey  bool
	ReadOnly    bool
	References  []*Reference
	DataType    string // string, integer, float, boolean, object, object_id, or ""; of an array, its elements'
	Inferred    bool   // nobody said object, it follows from the fields below: it may be an array of them, too
	Length      int    // 0: none
	Masking     *Masking
	ProvidedBy  string // "subject": what Art. 20 covers; else ""
	Object      string // lethe: {object: store}: the column names a file there
	Redact      bool   // lethe: {redact: true}: a third person's data inside the subject's rows: left out of what is given
	Mentions    bool   // lethe: {mentions: true}: free text to be searched for the subject's identities
	// whole are the categories by which a policy targets the field as it is: an
	// object's own ones, apart from those of its fields.
	whole []string
}

// LocalName is the field's name inside its collection: the column, and ".key"
// for each step into an object.
func (f *Field) LocalName() string {
	if f.Parent != nil {
		return f.Parent.LocalName() + "." + f.Name
	}
	return f.Name
}

// FullName is "dataset.collection.column", and ".key" for each step into an object.
func (f *Field) FullName() string {
	if f.Parent != nil {
		return f.Parent.FullName() + "." + f.Name
	}
	return f.Collection.FullName() + "." + f.Name
}

// Column is the column that a field is or stands in.
func (f *Field) Column() *Field {
	for f.Parent != nil {
		f = f.Parent
	}
	return f
}

// Path are the JSON keys from the column to the field; empty for a column.
func (f *Field) Path() []string {
	if f.Parent == nil {
		return nil
	}
	return append(f.Parent.Path(), f.Name)
}

// Match says how an identity's value is compared with a column.
type Match string

// The ways to compare; the default follows the identity's type (email: fold,
// phone: e164, all others: exact).
const (
	Exact Match = "exact"
	Fold  Match = "fold"
	E164  Match = "e164"
)

// A Reference ties field From to field To, seen from the field it stands on.
type Reference struct {
	Pos       Pos
	Field     *Field // where it stands
	Target    *Field // what it names
	Direction Direction
}

// Direction of a reference on field F naming field G.
type Direction string

// The directions.
const (
	From       Direction = "from" // G's value, reached, looks up F
	To         Direction = "to"   // F's value, reached, looks up G
	Undirected Direction = ""     // whichever end is reached first leads to the other, and never back
)

// A Masking is a strategy with its configuration.
type Masking struct {
	Strategy string // null_rewrite, preserve, string_rewrite, delete (collections only), …
	Value    string // string_rewrite: rewrite_value
	Length   int    // random_string_rewrite
	Suffix   string // format_preservation.suffix
	// Algorithm of hash and hmac: SHA-256 (the default) or SHA-512.
	Algorithm string
	Mode      string // aes_encrypt: GCM
}

// Kind of a request, as far as a plan is concerned.
type Kind string

// The kinds.
const (
	Access  Kind = "access"
	Export  Kind = "export"
	Erasure Kind = "erasure"
)

// A Policy says what a kind of request targets.
type Policy struct {
	Name  string
	Kind  Kind
	Rules []PolicyRule
	Links Links
}

// Links says what a policy does with the columns that link collections.
type Links string

// What is done with link columns. By default access and export add them, so that
// a reader can follow the rows, and erasure leaves them, unless a field's own
// override says otherwise.
const (
	LinksDefault Links = ""
	LinksOmit    Links = "omit" // access, export: not added
	LinksMask    Links = "mask" // erasure: masked where a rule targets them
)

// A PolicyRule targets categories; a category matches itself and what stands under it.
type PolicyRule struct {
	Categories []string // empty: every field with a category
	Strategy   *Masking // erasure; nil: null_rewrite
}

// A Plan is the data map compiled for a policy and a set of identity types.
type Plan struct {
	Kind       Kind
	Policy     string
	Identities []string // types, sorted
	// Visits in walk order: a visit stands after all that lead to it, save
	// inside a cycle (equal Component).
	Visits []*Visit
	// Left are collections that are not visited, by full name, in the map's
	// order: no seed of this request reaches them, they are skipped, or an
	// export finds nothing there that Art. 20 covers.
	Left   []string
	Cyclic bool
	// Notes are sentences for the DPO: what the policy asks for and the plan
	// does not do, and why. Names of the map only.
	Notes []string
	// Digest identifies the plan: statements are cached under it.
	Digest string
}

// A Visit is one collection of a plan.
type Visit struct {
	Collection *Collection
	Seeds      []PlanSeed
	Links      []Link   // ways that lead here
	Targets    []Target // fields to return, or to mask (also where Delete: a row that must stay is masked)
	LinkFields []*Field // columns that link collections of the plan, not in Targets; may be nested
	// Withheld are fields that an access or export targets and that hold a third
	// person's data (redact): they are not in Targets and LinkFields, and where the
	// object that they stand in is a target they are to be taken out of it.
	Withheld  []*Field
	Delete    bool // erasure: rows reached are deleted, not masked
	Component int  // visits with equal Component form a cycle
	// Referrers are fields of any mapped collection, of any source, that hold
	// the value of a field here (C.field -> this.field): the look-ups that tell
	// whether a reached row is shared.
	Referrers []Link
}

// Counts tells whether the rows of a visit are found, and not only followed: the
// policy takes something of them, a seed matches them, or an erasure leaves
// something personal in them, which whoever asked has to be told (Art. 12(4)).
func (p *Plan) Counts(v *Visit) bool {
	return v.Delete || len(v.Targets) > 0 || len(v.Seeds) > 0 || p.Kind == Erasure && slices.ContainsFunc(v.Collection.AllFields(), (*Field).telling)
}

// KeptTargets are the fields that a keep masks in the rows it holds, as the policy
// masks them; of an object that it takes in part, that part. What would have gone
// with its row or object alone is masked by its own masking, else emptied (Masking
// nil); what the policy would not have touched stays.
func (v *Visit) KeptTargets(k Keep) (masked []Target) {
	for _, f := range k.Mask {
		switch i := slices.IndexFunc(v.Targets, func(t Target) bool { return f.within(t.Field) }); {
		case i >= 0 && v.Targets[i].Field == f:
			masked = append(masked, v.Targets[i])
		case i >= 0 || v.Delete:
			masked = append(masked, Target{Field: f, Masking: f.Masking})
		default:
			masked = append(masked, slices.DeleteFunc(slices.Clone(v.Targets), func(t Target) bool { return !t.Field.within(f) })...)
		}
	}
	return masked
}

// Masks tells whether a keep masks a field, by itself or within an object.
func (k Keep) Masks(f *Field) bool { return slices.ContainsFunc(k.Mask, f.within) }

// within tells whether a field is another, or lies in it.
func (f *Field) within(other *Field) bool {
	for ; f != nil; f = f.Parent {
		if f == other {
			return true
		}
	}
	return false
}

// A PlanSeed starts at a field when the request brings that identity.
type PlanSeed struct {
	Field    *Field
	Identity string
	Row      bool // the values are keys of rows (see PickedRow); Field is of the primary key, if the map has one
}

// A Link leads from the value of one field to the rows where another field holds it.
type Link struct {
	From *Field // of an earlier visit (or of the same component)
	To   *Field // of this visit's collection; for a referrer, of this visit too
	// Own: the reference has direction "to" and From holds the key To: the
	// subject's rows point there.
	Own bool
	// And are the further pairs of a composite link (all_of): rows whose every
	// pair agrees with one and the same reached row. Empty: the link is simple.
	And []Pair
}

// Pairs are all pairs of a link, the first one first. Where one of them goes
// through the owner column of the collection led to, it is the first.
func (l Link) Pairs() []Pair { return append([]Pair{{l.From, l.To}}, l.And...) }

// Ends name a link from one store to another by its fields: of a composite link
// all of them, in step. No key of a data map holds a plus sign.
func (l Link) Ends() (from, to string) {
	from, to = l.From.FullName(), l.To.FullName()
	for _, p := range l.And {
		from, to = from+"+"+p.From.FullName(), to+"+"+p.To.FullName()
	}
	return from, to
}

// A Pair is one more column of a composite link, as From and To of the Link.
type Pair struct{ From, To *Field }

// A Target is a field to return (Masking nil) or to mask.
type Target struct {
	Field   *Field
	Masking *Masking
}

// Problem is one thing wrong with a file.
type Problem struct {
	Pos     Pos
	Warning bool
	Message string // never quotes values of the file other than its own keys and names
}

// String is "file:line:column: message".
func (p Problem) String() string { return position(p.Pos) + ": " + p.Message }
