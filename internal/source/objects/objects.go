// Package objects is a store of files that rows name: a folder (file://) or a
// bucket (s3://). It holds no rows and finds nobody: which files are a person's is
// known from the rows that name them (lethe: {object: STORE} on a field), and
// so the sources of those rows say what goes into an archive and what must go
// after an erasure.
//
// A key is personal data. Errors hold the store's name, what was being tried
// and a code, never a key, nor the store's address, which may hold a password.
//
// Open open.go for addresses, folder.go and bucket.go for the two kinds, delete.go for how files go.
package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"

	"gocloud.dev/gcerrors"

	"github.com/lethe-dsr/lethe/internal/source"
)

// A Store is one object store. It is safe for use by many goroutines.
type Store struct {
	name    string
	address *address

	mu     sync.Mutex
	bucket *bucket // opened on first use: a store that is down keeps nobody from other work
	closed bool
}

// Name is the store's name in lethe.yaml.
func (s *Store) Name() string { return s.name }

// Open streams a file. One that is not there is source.ErrNoFile; a store that is
// not there is an *Error, so that the two are never taken for each other.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	const doing = "reading a file"
	bucket, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	var r io.ReadCloser
	switch {
	case !s.address.admits(key):
		return nil, source.ErrNoFile
	case bucket == nil:
		r, err = directory{s.address.folder}.read(key)
	default:
		r, err = bucket.read(ctx, key)
	}
	switch {
	case err == nil:
		return &reader{r, s}, nil
	case s.missing(err):
		if err := s.present(ctx, bucket); err != nil {
			return nil, err
		}
		return nil, source.ErrNoFile
	}
	return nil, s.failed(doing, err)
}

// reader cleans the errors of a stream.
type reader struct {
	io.ReadCloser
	store *Store
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == nil || err == io.EOF { //nolint:errorlint // a wrapped EOF is a fault
		return n, err
	}
	return n, r.store.failed("reading a file", err)
}

func (r *reader) Close() error { return r.store.failed("reading a file", r.ReadCloser.Close()) }

// Alike are the other keys under which the same file lies, or may lie.
func (s *Store) Alike(key string) []string {
	switch {
	case !s.address.admits(key):
		return nil
	case s.address.folder == "":
		return alikeInBucket(key)
	}
	return directory{s.address.folder}.alike(key)
}

// Ping tells whether the store is there and may be listed.
func (s *Store) Ping(ctx context.Context) error {
	bucket, err := s.open(ctx)
	if err != nil {
		return err
	}
	return s.present(ctx, bucket)
}

// present tells a store that lacks a file from one that is not there at all: a
// bucket of another name answers "not found" to every key, and an erasure that
// believed it would leave every file where it is.
func (s *Store) present(ctx context.Context, bucket *bucket) error {
	const doing = "looking at the store"
	if bucket == nil {
		return s.failed(doing, directory{s.address.folder}.present())
	}
	there, err := bucket.IsAccessible(ctx)
	if err != nil {
		return s.failed(doing, err)
	}
	if !there {
		return &Error{Store: s.name, Doing: doing, Code: gcerrors.NotFound}
	}
	return nil
}

// Close releases the store. It may be called again.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.bucket == nil {
		return nil
	}
	bucket := s.bucket
	s.bucket = nil
	return s.failed("closing", bucket.Close())
}

// open is the bucket, opened when first needed; of a folder nil.
func (s *Store) open(ctx context.Context) (*bucket, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.failed("opening", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, &Error{Store: s.name, Doing: "opening", Code: gcerrors.FailedPrecondition}
	case s.bucket != nil || s.address.folder != "":
		return s.bucket, nil
	}
	bucket, err := openBucket(ctx, s.address.url)
	if err != nil {
		return nil, s.failed("opening", err)
	}
	s.bucket = bucket
	return bucket, nil
}

// missing tells whether an error says that there is no such file.
func (s *Store) missing(err error) bool { return absent(err) || codeOf(err) == gcerrors.NotFound }

// codeOf is an error's code: the library's, or of S3's answer.
func codeOf(err error) gcerrors.ErrorCode {
	if code := gcerrors.Code(err); code != gcerrors.Unknown {
		return code
	}
	switch status(err) {
	case 404, 301: // the latter of a bucket elsewhere
		return gcerrors.NotFound
	case 401, 403:
		return gcerrors.PermissionDenied
	}
	return gcerrors.Unknown
}

// status is that of S3's answer; 0 of any other error.
func status(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// An Error is what is kept of a store's failure.
type Error struct {
	Store string
	Doing string // "opening", "reading a file", "deleting files", "looking at the store"
	Code  gcerrors.ErrorCode
	// Why is what the operating system says, of a folder: "read-only file system".
	Why   syscall.Errno
	cause error // only a context's error, or errOutside
}

func (e *Error) Error() string {
	why := e.Code.String()
	switch {
	case e.Outside():
		why = errOutside.Error()
	case e.Why != 0:
		why = e.Why.Error()
	}
	return fmt.Sprintf("store %s: %s failed (%s)", e.Store, e.Doing, why)
}

// Told is Error: it holds neither a key nor an address.
func (e *Error) Told() string { return e.Error() }

func (e *Error) Unwrap() error { return e.cause }

// Denied tells whether the store does not let us: somebody must grant it, and
// trying again does not help.
func (e *Error) Denied() bool { return e.Code == gcerrors.PermissionDenied }

// Absent tells whether there is no such folder or bucket. It may be back soon
// (a disk that is not mounted), so it is tried again.
func (e *Error) Absent() bool { return e.Code == gcerrors.NotFound }

// Outside tells whether a link leads out of the folder. What lies there is not
// the store's: it is neither given nor deleted, and trying again does not help.
func (e *Error) Outside() bool { return errors.Is(e.cause, errOutside) }

func (s *Store) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	out := &Error{Store: s.name, Doing: doing, Code: codeOf(err)}
	_ = errors.As(err, &out.Why)
	switch {
	case errors.Is(err, fs.ErrPermission):
		out.Code = gcerrors.PermissionDenied
	case errors.Is(err, fs.ErrNotExist):
		out.Code = gcerrors.NotFound
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, errOutside} {
		if errors.Is(err, known) {
			out.cause = known
		}
	}
	return out
}
