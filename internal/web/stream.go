package web

import (
	"mime"
	"net/http"
	"strconv"
	"time"
)

// stalled is how long a client may take nothing of a file before it is given up.
const stalled = time.Minute

// A file streams a download. Its headers go out with the first byte, so that an error
// before that is still a page. An error after it must break the connection
// (abort): a shorter file that looks whole would be worse than none.
type file struct {
	w       http.ResponseWriter
	control *http.ResponseController
	name    string
	size    int64 // 0: unknown
	begun   bool
	watch   *time.Timer
}

// newFile prepares a download. done must be called.
func newFile(w http.ResponseWriter, name string, size int64) *file {
	return &file{w: w, control: http.NewResponseController(w), name: name, size: size}
}

// Write sends the next part, and starts with the headers.
func (f *file) Write(p []byte) (int, error) {
	if !f.begun {
		f.begin()
	}
	// The server's own limit on writing is meant for pages. Here a part has a
	// minute: then the deadline is set into the past, which ends the write.
	if f.watch == nil {
		_ = f.control.SetWriteDeadline(time.Time{})
		f.watch = time.AfterFunc(stalled, func() { _ = f.control.SetWriteDeadline(time.Unix(1, 0)) })
	} else {
		f.watch.Reset(stalled)
	}
	return f.w.Write(p)
}

func (f *file) begin() {
	f.begun = true
	h := f.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	h.Set("Cache-Control", "no-store")
	if f.size > 0 {
		h.Set("Content-Length", strconv.FormatInt(f.size, 10))
	}
	f.w.WriteHeader(http.StatusOK)
}

// done ends the watch, and decides what an error becomes: nil or an error page
// before the first byte, a broken connection after it.
func (f *file) done(err error) error {
	if f.watch != nil {
		f.watch.Stop()
	}
	if err != nil && f.begun {
		panic(http.ErrAbortHandler)
	}
	return err
}
