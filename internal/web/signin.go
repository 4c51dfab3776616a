package web

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// wrongSignIn is the one answer to every failed try: it does not tell whether
// the account exists.
const wrongSignIn = "The address or the password is wrong. Nobody is signed in."

func (s *server) signin(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.signedIn(r); err == nil {
		return seeOther(w, r, "/")
	}
	f := newForm(signinFields, nil)
	f.values.Set("next", localPath(r.URL.Query().Get("next")))
	return s.signinPage(w, r, http.StatusOK, f)
}

var signinFields = []string{"email", "password"}

func (s *server) signinPage(w http.ResponseWriter, r *http.Request, status int, f *form) error {
	s.render(w, r, status, "signin", page{Title: "Sign in", Form: f, Flash: s.flash(r)})
	return nil
}

func (s *server) signedin(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(r, signinFields...)
	if err != nil {
		return err
	}
	email := f.text("email")
	if s.limits.account.OnLimit(w, r, strings.ToLower(email)) {
		return errTooOften
	}
	usable := utf8.ValidString(email) && len(email) <= 254 && !strings.ContainsFunc(email, unicode.IsControl)
	var id int64
	var hash string
	if usable {
		if id, hash, err = s.Staff.credentials(r.Context(), email); err != nil {
			return err
		}
	}
	ok, err := s.passwords.match(r.Context(), f.Value("password"), hash)
	if err != nil {
		return err
	}
	if !ok {
		f.wrong("", wrongSignIn)
		return s.signinPage(w, r, http.StatusUnauthorized, f)
	}
	if err := s.begin(r, id); err != nil {
		return err
	}
	return seeOther(w, r, localPath(f.Value("next")))
}

// begin starts the session of somebody who has just proved who they are, under
// a new token: whatever token the browser came with opens nothing.
func (s *server) begin(r *http.Request, id int64) error {
	ctx := r.Context()
	if err := s.Staff.sweep(ctx, s.Now()); err != nil {
		return err
	}
	if err := s.sessions.Clear(ctx); err != nil {
		return err
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, keyStaff, id)
	s.sessions.Put(ctx, keySince, s.Now().Unix())
	return nil
}

// signinLink shows a button and does nothing: mail programs open links by themselves.
func (s *server) signinLink(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err == nil {
		err = s.Staff.peekLink(r.Context(), token, s.Now())
	}
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "signin_link", page{Title: "Sign in"})
	return nil
}

func (s *server) signinLinked(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	id, err := s.Staff.useLink(r.Context(), token, s.Now())
	if err != nil {
		return err
	}
	if err := s.begin(r, id); err != nil {
		return err
	}
	return seeOther(w, r, "/")
}

func (s *server) signout(w http.ResponseWriter, r *http.Request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	return seeOther(w, r, "/signin")
}

// localPath lets a path of this site through, and nothing that a browser would
// read as another site's.
func localPath(p string) string {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t") ||
		strings.HasPrefix(p, "/signin") || len(p) > 500 {
		return "/"
	}
	return p
}
