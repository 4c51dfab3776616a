package source

import "errors"

// An Object is a file in an object store that a row names. Its key is as
// personal as the row (attachments/pavla@…/photo.jpg): it is stored encrypted
// only, and stands in no error and no log.
type Object struct {
	Store string `json:"store"` // the store's name in lethe.yaml
	Key   string `json:"key"`
}

// Deleted counts what became of files that were to go.
type Deleted struct {
	Gone    int64 // were there, and are deleted
	Missing int64 // were not there: a success, too
}

// Add adds up.
func (d Deleted) Add(more Deleted) Deleted {
	return Deleted{Gone: d.Gone + more.Gone, Missing: d.Missing + more.Missing}
}

// ErrNoFile: the store answers, and has no file of that key.
var ErrNoFile = errors.New("there is no such file")
