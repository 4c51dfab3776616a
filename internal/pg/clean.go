package pg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Clean replaces a *pgconn.PgError in err's chain (and connect errors) by
// *Error, keeping context errors and pgx.ErrNoRows recognisable; what it does
// not know keeps its type's name only, because a driver's texts quote values
// ("unable to encode …").
//
// The words that were put before an error with fmt.Errorf("…: %w") stay: by
// the house's rule they hold identifiers only. errors.Is goes on working on
// whatever was wrapped. Errors of this module's own types, with nothing of the
// database below them, come back untouched; so does nil.
func Clean(err error) error {
	if err == nil {
		return nil
	}
	var before *cleaned
	if errors.As(err, &before) && !raw(err) {
		return err // cleaned where it arose, wrapped since
	}
	if kept := known(err); kept != nil {
		return &cleaned{text: prefix(err) + kept.Error(), kept: kept, is: err}
	}
	if ours(err) {
		return err
	}
	return &cleaned{text: prefix(err) + fmt.Sprintf("unexpected error of type %T", root(err)), is: err}
}

// cleaned is an error of which only the text and what may be known are left.
type cleaned struct {
	text string
	kept error // what Unwrap gives
	is   error // asked by errors.Is only: its text stays hidden, and errors.As cannot reach it
}

func (c *cleaned) Error() string        { return c.text }
func (c *cleaned) Unwrap() error        { return c.kept }
func (c *cleaned) Is(target error) bool { return errors.Is(c.is, target) }

// raw tells whether an error of the driver, with its texts, is in err's chain.
func raw(err error) bool {
	var connect *pgconn.ConnectError
	var p *pgconn.PgError
	var parse *pgconn.ParseConfigError
	return errors.As(err, &connect) || errors.As(err, &p) || errors.As(err, &parse)
}

// sentinels say what happened without contents.
var sentinels = []error{
	pgx.ErrNoRows, pgx.ErrTooManyRows, pgx.ErrTxClosed, pgx.ErrTxCommitRollback, pgconn.ErrConnClosed, ErrURL, ErrPooled,
}

// known is what may be kept of err; nil when there is nothing of the database
// or of the network in its chain.
func known(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return connectError(connect)
	}
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return reduce(p)
	}
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return ErrURL
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return s
		}
	}
	if network(err) {
		return &Error{Code: "08006", reason: reason(err)}
	}
	return nil
}

// connectError reduces what a failed connection tells (host, user, database,
// and once a password in a certificate's path) to SQLSTATE and a reason.
func connectError(err *pgconn.ConnectError) *Error {
	var p *pgconn.PgError
	if errors.As(err, &p) { // the server answered, and said no
		e := reduce(p)
		e.connecting = true
		if e.Code == "42501" && strings.HasPrefix(p.Message, "permission denied for database") {
			e.reason = "its user lacks GRANT CONNECT ON DATABASE"
		}
		return e
	}
	return &Error{Code: "08001", reason: reason(err), connecting: true}
}

// otherKinds are the servers that target_session_attrs does not take.
var otherKinds = []error{pgconn.ErrReadOnlyConnection, pgconn.ErrReadWriteConnection, pgconn.ErrPrimaryConnection, pgconn.ErrStandbyConnection}

// reason names a failure of the network in words of ours.
func reason(err error) string {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	switch {
	case errors.As(err, &dns):
		return "the host name is not known"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "the socket may not be opened"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &hostname):
		return "the server's certificate is not trusted"
	case errors.As(err, &record), errors.As(err, &alert):
		return "TLS could not be agreed on"
	case strings.HasSuffix(err.Error(), "server refused TLS connection"): // pgconn has no name for it
		return "the server has no TLS, which the URL asks for (sslmode)"
	case slices.ContainsFunc(otherKinds, func(e error) bool { return errors.Is(err, e) }):
		return "no server is of the kind that the URL asks for (target_session_attrs)"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case pgconn.Timeout(err), isTimeout(err):
		return "no answer in time"
	}
	return ""
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// network tells whether a connection broke under a statement.
func network(err error) bool {
	var n net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &n)
}

// wrapper is the type of fmt.Errorf("…: %w", err).
var wrapper = reflect.TypeOf(fmt.Errorf("%w", io.EOF))

// prefix is what was put before the error by fmt.Errorf("…: %w", …), layer by
// layer, as long as the text below stands at the end, word for word. pgx's
// own wrapping of values ("unable to encode VALUE …: %w") stands below the
// driver's "failed to encode", where it stops.
func prefix(err error) string {
	var b strings.Builder
	for reflect.TypeOf(err) == wrapper {
		inner := errors.Unwrap(err)
		head, ok := strings.CutSuffix(err.Error(), inner.Error())
		if !ok || !strings.HasSuffix(head, ": ") || driverWords(head) {
			break
		}
		b.WriteString(head)
		err = inner
	}
	return b.String()
}

// driverWords are the beginnings of pgx's own wrapping texts, which may quote
// arguments or statements.
func driverWords(head string) bool {
	for _, w := range []string{"failed to encode", "unable to encode", "rewrite query", "failed to deallocate", "can't scan", "cannot scan"} {
		if strings.HasPrefix(head, w) {
			return true
		}
	}
	return false
}

// root is the first error below the wrapping.
func root(err error) error {
	for reflect.TypeOf(err) == wrapper {
		err = errors.Unwrap(err)
	}
	return err
}

// module is this module's path, from the path of this package.
var module = strings.TrimSuffix(reflect.TypeOf(Error{}).PkgPath(), "/internal/pg")

// ours tells whether an error below the wrapping is of one of this module's
// own types, whose texts are ours to answer for.
func ours(err error) bool {
	if driverWords(err.Error()) {
		return false
	}
	t := reflect.TypeOf(root(err))
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == module || strings.HasPrefix(t.PkgPath(), module+"/")
}
