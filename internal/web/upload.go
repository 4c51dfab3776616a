package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/archive"
)

// uploadLasts is how long one upload may take in all.
const uploadLasts = 30 * time.Minute

// mostFiles of one form are looked at: as many as an answer may have.
const mostFiles = 100

// isUpload tells the routes that take files. They read their body as a stream
// and limit it themselves, once they know who sends it.
func isUpload(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/files") &&
		(strings.HasPrefix(r.URL.Path, "/desk/") || strings.HasPrefix(r.URL.Path, "/requests/"))
}

// patient reads a body for longer than a form may take: each part of it has a
// minute, all of it half an hour. Then the deadline is set into the past, which ends the read.
type patient struct {
	io.ReadCloser
	watch, whole *time.Timer
}

func newPatient(w http.ResponseWriter, body io.ReadCloser) *patient {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	end := func() { _ = control.SetReadDeadline(time.Unix(1, 0)) }
	return &patient{body, time.AfterFunc(stalled, end), time.AfterFunc(uploadLasts, end)}
}

func (p *patient) Read(b []byte) (int, error) {
	p.watch.Reset(stalled)
	return p.ReadCloser.Read(b)
}

func (p *patient) stop() {
	p.watch.Stop()
	p.whole.Stop()
}

// receive hands the files of a multipart form on, one after the other, as they
// come: none is kept in memory or in a folder on the way. What is wrong with one
// is said beside the field, with its name, and the others are taken.
func (s *server) receive(w http.ResponseWriter, r *http.Request, ref dsar.AskRef, limit int64, f *form, field string) (taken int, err error) {
	p := newPatient(w, r.Body)
	defer p.stop()
	// Twice the limit is read, so that who sends somewhat too much is told so
	// by a page and not by a connection that breaks.
	r.Body = http.MaxBytesReader(w, p, 2*limit+1<<20)
	parts, err := r.MultipartReader()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errForm, err)
	}
	var problems []string
	sent := 0
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", errForm, err)
		}
		if err == nil && part.FileName() == "" {
			continue // another field, or a choice of files left empty
		}
		if err == nil {
			if sent++; sent > mostFiles { // the rest is read, so that a page says so and not a broken connection
				f.wrong(field, fmt.Sprintf("At most %d files at once. What came after them was not kept: put it into one ZIP.", mostFiles))
				continue
			}
			err = s.Requests.AddFile(r.Context(), ref, part.FileName(), part)
		}
		var invalid *dsar.Invalid
		var size *http.MaxBytesError
		var notNow *dsar.NotNow
		switch {
		case err == nil:
			taken++
		case errors.As(err, &invalid):
			problems = append(problems, "“"+archive.FileName(part.FileName())+"”: "+invalid.Fields["files"])
		case errors.As(err, &size):
			f.wrong(field, "All files together may have "+megabytes(limit)+". What did not fit was not kept.")
			return taken, nil
		case errors.As(err, &notNow):
			f.wrong("", notNow.Sentence)
			return taken, nil
		default:
			return taken, err
		}
	}
	switch {
	case len(problems) > 0:
		f.wrong(field, strings.Join(problems, " "))
	case sent == 0:
		f.wrong(field, "Choose a file first.")
	}
	return taken, nil
}

// megabytes is a limit in words.
func megabytes(n int64) string { return strings.Replace(size(n), ".0 ", " ", 1) }
