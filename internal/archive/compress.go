package archive

import (
	"archive/zip"
	"compress/flate"
	"io"
	"sync"
)

// deflaters are used again: each has large tables to make, and an archive of a
// small subject is twenty files of some hundred bytes.
var deflaters sync.Pool

// newZip is a ZIP whose files are compressed quickly rather than as small as can
// be: compressing took more of an archive's time than reading what goes into it.
func newZip(w io.Writer) *zip.Writer {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		if d, ok := deflaters.Get().(*deflater); ok {
			d.Reset(w)
			return d, nil
		}
		fw, err := flate.NewWriter(w, flate.BestSpeed)
		return &deflater{fw}, err
	})
	return z
}

type deflater struct{ *flate.Writer }

func (d *deflater) Close() error {
	err := d.Writer.Close()
	deflaters.Put(d)
	return err
}
