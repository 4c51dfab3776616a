package web

import (
	"io"
	"net/http"
	"net/url"

	"github.com/lethe-dsr/lethe/dsar"
)

// The pages behind links in mails. On GET they show what the link is for, and a
// button; what they do, they do on POST. Whatever is wrong with a link, the
// answer is one and the same (dsar.ErrNoToken in errors.go).

// linkView is what such a page shows.
type linkView struct {
	dsar.TokenInfo
	Name string // of the controller
	New  bool   // status: just taken in
	// Withdraw is where the status page's button leads.
	Withdraw string
}

// look reads a link without using it.
func (s *server) look(r *http.Request, purpose string) (token string, v linkView, err error) {
	if token, err = pathToken(r); err != nil {
		return "", v, err
	}
	if v.TokenInfo, err = s.Requests.Token(r.Context(), token, purpose); err != nil {
		return "", v, err
	}
	v.Name = s.nameOf(v.Controller.Key)
	v.ReceivedAt, v.ExpiresAt = inPlace(v.ReceivedAt, v.Controller), inPlace(v.ExpiresAt, v.Controller)
	return token, v, nil
}

func (s *server) linkPage(w http.ResponseWriter, r *http.Request, name, title string, v linkView) error {
	s.render(w, r, http.StatusOK, name, page{Title: title, Controller: &v.Controller, Data: v})
	return nil
}

func (s *server) confirm(w http.ResponseWriter, r *http.Request) error {
	_, v, err := s.look(r, "confirm")
	if err != nil {
		return err
	}
	return s.linkPage(w, r, "confirm", "Confirm your request", v)
}

func (s *server) confirmed(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	info, err := s.Requests.Confirm(r.Context(), token)
	if err != nil {
		return err
	}
	v := linkView{TokenInfo: info, Name: s.nameOf(info.Controller.Key)}
	return s.linkPage(w, r, "confirmed", "Thank you", v)
}

func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	token, v, err := s.look(r, "status")
	if err != nil {
		return err
	}
	v.Withdraw = "/status/" + url.PathEscape(token) + "/withdraw"
	v.New = r.URL.Query().Get("new") == "yes" && v.Status == dsar.Received
	return s.linkPage(w, r, "status", "Your request", v)
}

func (s *server) statusWithdraw(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	if err := s.Requests.WithdrawByToken(r.Context(), token); err != nil {
		return err
	}
	return seeOther(w, r, "/status/"+url.PathEscape(token))
}

func (s *server) download(w http.ResponseWriter, r *http.Request) error {
	_, v, err := s.look(r, "download")
	if err != nil {
		return err
	}
	return s.linkPage(w, r, "download", "Your data are ready", v)
}

// downloaded streams the archive and uses one turn of the link.
func (s *server) downloaded(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	f := newFile(w, "archive.zip", 0)
	err = s.Requests.Download(r.Context(), token, func(name string, size int64) io.Writer {
		if name != "" {
			f.name = name
		}
		f.size = size
		return f
	})
	s.noteBroken(r, f, err)
	return f.done(err)
}
