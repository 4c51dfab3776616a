package source

// A Feed is what the stores of one walk tell each other about one reference,
// when its two ends lie in different stores: two databases, or two shards of
// one. Linking values alone travel, never rows. They are personal data.
//
// One and the same type goes both ways: what a store is given (Walk.Feeds) and
// what it answers (Trace.Feeds).
type Feed struct {
	From string `json:"from"` // the field whose value leads on: "dataset.collection.field"
	To   string `json:"to"`   // the field where it is looked up
	// Values stand at From in rows that the walk reached elsewhere: rows that
	// hold one at To are reached, too.
	Values []string `json:"values,omitempty"`
	// Mine are those of them that rows of the subject alone lead with.
	Mine []string `json:"mine,omitempty"`
	// Keys stand at To in rows that the walk reached: a store is asked which of
	// them a row of its own names that was not reached.
	Keys []string `json:"keys,omitempty"`
	// Others are those: what holds one of them at To is shared.
	Others []string `json:"others,omitempty"`
	// Crowded stand at From in many rows that nobody reached: they cannot tell one
	// person from another, lead nowhere (Found.Braked), and are none of Values.
	Crowded []string `json:"crowded,omitempty"`
	// Stays stand at From in reached rows that an erasure leaves, because they
	// are held or shared: what holds one at To is masked instead of deleted.
	Stays []string `json:"stays,omitempty"`
	// Spared stand at From in reached rows that a narrowed erasure leaves as they
	// are, because its request does not ask for them or such a row needs them: what
	// holds one at To stays as it is, too.
	Spared []string `json:"spared,omitempty"`
}

// Lists are the values that a feed tells, each list by what it tells, in one order.
func (f *Feed) Lists() []*[]string {
	return []*[]string{&f.Values, &f.Mine, &f.Keys, &f.Others, &f.Stays, &f.Crowded, &f.Spared}
}

// A Trace is what one store answers about a walk to the others.
type Trace struct {
	Rows  int64 // rows reached there
	Feeds []Feed
}
