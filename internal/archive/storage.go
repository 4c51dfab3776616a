package archive

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // the s3 scheme
	"gocloud.dev/gcerrors"

	"github.com/lethe-dsr/lethe/internal/keys"
)

// A Storage keeps encrypted archives: file:///dir or s3://bucket?prefix=….
//
// An object is bound to its name: renamed or put in another's place, it does
// not decrypt. Objects' names say nothing of the person; that is the caller's part.
type Storage struct {
	Keys   *keys.Set
	bucket *blob.Bucket
}

// An Error is what is kept of a storage's failure: what was being done and the
// code, never the text, which quotes keys and addresses.
type Error struct {
	Doing string // "opening", "writing", "reading", "deleting", "listing"
	Code  gcerrors.ErrorCode
	// Why is what the operating system says, of a folder: "no space left on device".
	Why   syscall.Errno
	cause error // only a context's error
}

func (e *Error) Error() string {
	why := e.Code.String()
	if e.Why != 0 {
		why = e.Why.Error()
	}
	return "archive storage: " + e.Doing + " failed (" + why + ")"
}

// Told is Error: it holds neither a key nor an address.
func (e *Error) Told() string { return e.Error() }

func (e *Error) Unwrap() error { return e.cause }

func clean(doing string, err error) error {
	if err == nil {
		return nil
	}
	out := &Error{Doing: doing, Code: gcerrors.Code(err)}
	_ = errors.As(err, &out.Why)
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			out.cause = known
		}
	}
	return out
}

// OpenStorage opens the bucket behind a URL; a folder is made when missing.
// Errors never hold the URL, which may carry credentials.
func OpenStorage(ctx context.Context, rawURL string, set *keys.Set) (*Storage, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("archive storage: the address is no URL")
	}
	var bucket *blob.Bucket
	switch u.Scheme {
	case "file":
		bucket, err = openFolder(u)
	case "s3":
		// s3://bucket/prefix is accepted by the library, and writes to the root.
		if strings.Trim(u.Path, "/") != "" {
			return nil, errors.New("archive storage: write s3://BUCKET?prefix=FOLDER/, not s3://BUCKET/FOLDER")
		}
		bucket, err = blob.OpenBucket(ctx, rawURL)
	default:
		return nil, fmt.Errorf("archive storage: scheme %q is not known; use file:///FOLDER or s3://BUCKET?prefix=FOLDER/", u.Scheme)
	}
	var ours *usage
	if errors.As(err, &ours) {
		return nil, err
	}
	if err != nil {
		return nil, clean("opening", err)
	}
	return &Storage{Keys: set, bucket: bucket}, nil
}

// usage is a mistake in the configuration, in words of ours.
type usage struct{ sentence string }

func (e *usage) Error() string { return "archive storage: " + e.sentence }

// openFolder opens a folder only its owner may enter. Temporary files stand in
// it, not in the machine's; nothing is written beside the objects.
func openFolder(u *url.URL) (*blob.Bucket, error) {
	if u.Host != "" && u.Host != "localhost" || !path.IsAbs(u.Path) {
		return nil, &usage{"a folder is written file:///FOLDER, with three slashes and its whole path"}
	}
	if u.RawQuery != "" {
		return nil, &usage{"a folder's address has no options"}
	}
	return fileblob.OpenBucket(u.Path, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
}

// place is what an object's encryption is bound to.
func place(object string) string { return "archives/" + object }

// Create starts an encrypted object. Close commits; Abort leaves nothing.
func (s *Storage) Create(ctx context.Context, object string) (*Writer, error) {
	ctx, cancel := context.WithCancel(ctx)
	raw, err := s.bucket.NewWriter(ctx, object, &blob.WriterOptions{
		ContentType: "application/octet-stream",
		BeforeWrite: func(as func(any) bool) error {
			var f *os.File
			if as(&f) {
				return f.Chmod(0o600)
			}
			return nil
		},
	})
	if err != nil {
		cancel()
		return nil, clean("writing", err)
	}
	w := &Writer{raw: raw, out: bufio.NewWriterSize(raw, writeSize), cancel: cancel}
	if w.seal, err = s.Keys.SealStream(w.out, place(object)); err != nil {
		w.Abort()
		return nil, clean("writing", err)
	}
	return w, nil
}

// writeSize is what goes to the storage at once, in bytes: the encryption's own
// pieces are small.
const writeSize = 32 << 10

// A Writer encrypts into storage.
type Writer struct {
	seal   io.WriteCloser
	out    *bufio.Writer
	raw    *blob.Writer
	cancel context.CancelFunc
	done   bool
}

func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.seal.Write(p)
	return n, clean("writing", err)
}

// Close finishes the stream and commits the object.
func (w *Writer) Close() error {
	if w.done {
		return &Error{Doing: "writing", Code: gcerrors.FailedPrecondition}
	}
	err := w.seal.Close()
	if err == nil {
		err = w.out.Flush()
	}
	if err != nil {
		w.Abort()
		return clean("writing", err)
	}
	w.done = true
	defer w.cancel()
	return clean("writing", w.raw.Close())
}

// Abort gives the object up; safe after Close.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.cancel() // before Close: a cancelled writer commits nothing
	_ = w.raw.Close()
}

// Open decrypts an object as a stream. Reading ends in an error when the object
// was cut short or altered, possibly after data were released.
func (s *Storage) Open(ctx context.Context, object string) (io.ReadCloser, error) {
	raw, err := s.bucket.NewReader(ctx, object, nil)
	if err != nil {
		return nil, clean("reading", err)
	}
	open, err := s.Keys.OpenStream(raw, place(object))
	if err != nil {
		_ = raw.Close()
		return nil, clean("reading", err)
	}
	return &opened{open: open, raw: raw}, nil
}

type opened struct {
	open io.Reader
	raw  *blob.Reader
}

func (o *opened) Read(p []byte) (int, error) {
	n, err := o.open.Read(p)
	if err == nil || err == io.EOF { //nolint:errorlint // a wrapped EOF is a fault
		return n, err
	}
	return n, clean("reading", err)
}

func (o *opened) Close() error { return clean("reading", o.raw.Close()) }

// Delete removes an object; a missing one is a success.
func (s *Storage) Delete(ctx context.Context, object string) error {
	err := s.bucket.Delete(ctx, object)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return clean("deleting", err)
}

// Tidy removes what writers killed before now left behind in a folder: parts of
// encrypted objects that nobody can finish. It says how many there were.
func (s *Storage) Tidy(ctx context.Context, before time.Time) (int, error) {
	n := 0
	for list := s.bucket.List(nil); ; {
		o, err := list.Next(ctx)
		if err == io.EOF { //nolint:errorlint // as documented by the library
			return n, nil
		}
		if err != nil {
			return n, clean("listing", err)
		}
		if !strings.HasSuffix(o.Key, ".tmp") || !o.ModTime.Before(before) {
			continue
		}
		if err := s.Delete(ctx, o.Key); err != nil {
			return n, err
		}
		n++
	}
}

// Check writes, reads and deletes a small object.
func (s *Storage) Check(ctx context.Context) error {
	object := "check-" + rand.Text()
	w, err := s.Create(ctx, object)
	if err != nil {
		return err
	}
	defer w.Abort()
	const text = "lethe"
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	r, err := s.Open(ctx, object)
	if err != nil {
		return errors.Join(err, s.Delete(ctx, object))
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close(), s.Delete(ctx, object)); err != nil {
		return err
	}
	if string(got) != text {
		return &Error{Doing: "reading", Code: gcerrors.Internal}
	}
	return nil
}

// Close releases the bucket.
func (s *Storage) Close() error { return clean("closing", s.bucket.Close()) }
