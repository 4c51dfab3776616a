package archive

import (
	"context"
	"io"
	"strconv"
	"strings"
)

// A Long is a value that does not stand in a line of the data files but in a file
// of its own, to which it goes in pieces: so memory is bounded whatever its size,
// and a picture kept in a column is a picture again. Its cell names the file: in
// the JSON as {"file": path}, in the CSV as the path.
type Long struct {
	Ending string // of the file's name: "txt", "json", or "bin" for bytes
	Read   func(ctx context.Context, yield func(piece []byte) error) error
}

// inFile is a Long that has its place.
type inFile struct {
	Long
	path string
}

// apart reads a table's rows with the places of their long values, which are the
// same in every reading: files/<dataset>/<collection>/<field>/<row>.<ending>.
func (a *writing) apart(t Table, base string) func(context.Context, func([]any) error) error {
	folders := map[int]string{} // by field
	return func(ctx context.Context, yield func([]any) error) error {
		row := int64(0)
		return t.Rows(ctx, func(values []any) error {
			row++
			for i, v := range values {
				long, ok := v.(Long)
				if !ok || i >= len(t.Fields) {
					continue
				}
				if folders[i] == "" {
					folders[i] = a.names.unique("files/"+strings.TrimPrefix(base, "data/"), safe(t.Fields[i].Name))
				}
				values[i] = inFile{long, folders[i] + "/" + strconv.FormatInt(row, 10) + "." + long.Ending}
			}
			return yield(values)
		})
	}
}

// long writes one long value, and links it from its row.
func (a *writing) long(ctx context.Context, t Table, p *preview, f namedFile) error {
	write := a.file
	if f.long.Ending == "bin" {
		write = a.stored
	}
	err := write(f.long.path, func(w io.Writer) (int64, error) {
		return 0, f.long.Read(ctx, func(piece []byte) error {
			_, err := w.Write(piece)
			return err
		})
	})
	if err != nil {
		return err
	}
	a.belongs(t, p, f)
	return nil
}
