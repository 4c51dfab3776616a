package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// requestDraft lets the DPO open the archive as it would be now. A POST, since
// opening it reads the subject's data, and a browser must not do that by itself.
func (s *server) requestDraft(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.handFile(w, r, a, "draft", s.Requests.Draft)
}

// requestHandOver gives the DPO the sealed archive to hand over, on the record.
func (s *server) requestHandOver(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.handFile(w, r, a, "archive", s.Requests.HandOver)
}

type writeArchive = func(ctx context.Context, a dsar.Actor, id int64, w io.Writer) error

func (s *server) handFile(w http.ResponseWriter, r *http.Request, a dsar.Actor, what string, write writeArchive) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	f := newFile(w, fmt.Sprintf("request-%d-%s.zip", id, what), 0)
	err = write(r.Context(), a, id, f)
	s.noteBroken(r, f, err)
	if err = f.done(err); err == nil {
		return nil
	}
	var notNow *dsar.NotNow
	if errors.As(err, &notNow) {
		s.warn(r, notNow.Sentence)
		return seeOther(w, r, fmt.Sprintf("/requests/%d", id))
	}
	return err
}

// noteBroken logs a download that ended half-way: no page can say it any more.
func (s *server) noteBroken(r *http.Request, f *file, err error) {
	if err != nil && f.begun && r.Context().Err() == nil {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "download broken off",
			slog.String("route", r.Pattern), slog.Any("error", pg.Clean(err)))
	}
}
