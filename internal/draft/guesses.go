package draft

// A Guess is a reference that a column's name tells of and no foreign key does.
type Guess struct {
	Table  *Table
	Column *Column
	Parent *Table
	Key    string // the column of the parent that is meant
}

// Guesses are the references to be guessed, so that who can ask the database may
// see whether the values agree, and note on the column that they do not (Astray).
func Guesses(db *Database) []Guess {
	d := newDrafting(db, &known{})
	d.names()
	d.findLinks()
	var list []Guess
	for _, t := range db.Tables {
		for _, l := range d.links[t] {
			if l.guessed {
				list = append(list, Guess{t, t.Column(l.columns[0]), l.parent, l.references[0]})
			}
		}
	}
	return list
}
