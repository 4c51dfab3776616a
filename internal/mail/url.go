package mail

import (
	"errors"
	"net"
	"net/url"
	"strconv"
)

// mode is how a connection is protected.
type mode int

const (
	plain mode = iota
	startTLS
	implicitTLS
)

// A server as mail.url names it.
type server struct {
	mode           mode
	host           string
	port           int
	user, password string
}

// parseURL reads smtp+starttls://user:password@host:port and its two sisters.
// Its errors hold nothing of the URL.
func parseURL(raw string) (server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return server{}, errors.New("mail: the address of the mail server is no URL; write smtp+starttls://USER:PASSWORD@HOST:587, special characters percent-encoded")
	}
	s := server{host: u.Hostname()}
	switch u.Scheme {
	case "smtp":
		s.mode, s.port = plain, 25
	case "smtp+starttls":
		s.mode, s.port = startTLS, 587
	case "smtps":
		s.mode, s.port = implicitTLS, 465
	default:
		return server{}, errors.New("mail: the address of the mail server begins with smtp+starttls://, smtps:// or, on this machine only, smtp://")
	}
	if s.host == "" {
		return server{}, errors.New("mail: the address of the mail server has no host")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return server{}, errors.New("mail: the address of the mail server ends after the port")
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return server{}, errors.New("mail: the port of the mail server is not between 1 and 65535")
		}
	}
	if s.mode == plain && !loopback(s.host) {
		return server{}, errors.New("mail: smtp:// sends letters in clear, and is for a server on this machine only; write smtp+starttls:// or smtps://")
	}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
	}
	return s, nil
}

// loopback: only an address, or the name that stands for one everywhere. Another
// name could resolve to this machine today and to another one tomorrow.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
