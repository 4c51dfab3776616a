package keys

import (
	"errors"
	"fmt"
	"io"
)

// streamFormat is the first byte in clear of each stream. It leaves room for
// another format, and it keeps a stream from being empty: Tink's reader takes
// the end of an empty one for a wrong key.
const streamFormat = 1

// SealStream returns a writer that encrypts to w; Close finishes the stream
// (and does not close w). A stream that was not closed does not open.
func (s *Set) SealStream(w io.Writer, place string) (io.WriteCloser, error) {
	e, err := s.state().streamer.NewEncryptingWriter(w, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("seal stream %s: %w", place, err)
	}
	if _, err := e.Write([]byte{streamFormat}); err != nil {
		return nil, fmt.Errorf("seal stream %s: %w", place, err)
	}
	return e, nil
}

// OpenStream decrypts; a truncated or altered stream ends in an error
// (ErrSealed), which may come after data was released: abort the response then.
// An error of r itself comes back as it is, wrapped.
func (s *Set) OpenStream(r io.Reader, place string) (io.Reader, error) {
	below := &remembering{r: r}
	d, err := s.state().streamer.NewDecryptingReader(below, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", place, ErrSealed)
	}
	return &opened{decrypted: d, below: below, place: place}, nil
}

// opened is a stream in clear without its first byte, and with errors that
// tell a broken storage from an altered archive.
type opened struct {
	decrypted io.Reader
	below     *remembering
	place     string
	started   bool
	err       error // for good: Tink's reader must not be asked again
}

func (o *opened) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	if !o.started {
		var first [1]byte
		if _, err := io.ReadFull(o.decrypted, first[:]); err != nil {
			return 0, o.fail(err, true)
		}
		if first[0] != streamFormat {
			o.err = fmt.Errorf("open stream %s: written by a newer lethe (format %d)", o.place, first[0])
			return 0, o.err
		}
		o.started = true
	}
	n, err := o.decrypted.Read(p)
	if err != nil {
		err = o.fail(err, false)
	}
	return n, err
}

func (o *opened) fail(err error, first bool) error {
	switch {
	case o.below.err != nil:
		err = fmt.Errorf("open stream %s: %w", o.place, o.below.err)
	case errors.Is(err, io.EOF) && !first:
		err = io.EOF
	default:
		err = fmt.Errorf("open stream %s: %w", o.place, ErrSealed)
	}
	o.err = err
	return err
}

// remembering keeps the first error of a reader other than its end: Tink
// reports a failed read of the first segment as a missing key.
type remembering struct {
	r   io.Reader
	err error
}

func (m *remembering) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && m.err == nil {
		m.err = err
	}
	return n, err
}
