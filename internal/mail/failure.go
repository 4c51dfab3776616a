package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/textproto"
	"strings"

	"github.com/wneessen/go-mail"

	"github.com/lethe-dsr/lethe/dsar"
)

// failure keeps what may be kept of an error: the code. It is final when, and
// only when, the server said 5xx: 421, a cut line and a time-out are not.
func failure(doing string, err error) *dsar.MailError {
	e := &dsar.MailError{Doing: doing}
	var sent *mail.SendError
	var answer *textproto.Error
	switch {
	case errors.As(err, &sent):
		e.Code = sent.ErrorCode()
	case errors.As(err, &answer):
		e.Code = answer.Code
	}
	e.Final = e.Code >= 500
	return e
}

// sendFailure is failure for a letter, or nil.
func sendFailure(err error) error {
	if err == nil {
		return nil
	}
	return failure("sending", err)
}

// dialFailure tells the ways apart in which a connection does not come about.
// None of them says anything about the letter: a server that refuses our sign-in
// or our machine today takes the letter when the operator has mended that.
// So none is final, whatever the code, and the queue's back-off decides.
func dialFailure(err error, handshake bool) *dsar.MailError {
	doing := "connecting"
	switch {
	case handshake || aboutTLS(err):
		doing = "starting TLS"
	case aboutSignIn(err):
		doing = "signing in"
	}
	e := failure(doing, err)
	e.Final = false
	return e
}

func aboutTLS(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		authority   x509.UnknownAuthorityError
		name        x509.HostnameError
	)
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &name) ||
		// go-mail has no typed error for a server without STARTTLS.
		strings.Contains(err.Error(), "STARTTLS mode set to")
}

func aboutSignIn(err error) bool {
	// Nor one for these two.
	return strings.HasPrefix(err.Error(), "SMTP AUTH failed") || strings.Contains(err.Error(), "SMTP AUTH") ||
		errors.Is(err, mail.ErrNoSupportedAuthDiscovered) || errors.Is(err, mail.ErrPlainAuthNotSupported)
}
