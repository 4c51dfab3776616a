package dsar

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source/sourcetest"
)

// A person's desk keeps what every source that a person answers for promises.
func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Subject {
		b := newDesks(t, "paper")
		dir := filepath.Join(t.TempDir(), "storage")
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		var err error
		if b.c.Storage, err = archive.OpenStorage(t.Context(), "file://"+dir, b.c.Keys); err != nil {
			t.Fatal(err)
		}
		return sourcetest.Subject{
			Desk: &askedDesk{b: b, t: t},
			Break: func(t *testing.T) { // a file where the folder was: nothing can be made below it
				t.Helper()
				if err := os.Rename(dir, dir+"-away"); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(dir, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			Mend: func(t *testing.T) {
				t.Helper()
				if err := os.Remove(dir); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(dir+"-away", dir); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// askedDesk is the desk of one request, as the suite asks it.
type askedDesk struct {
	b   *workBundle
	t   *testing.T
	id  int64
	ref AskRef
}

func (d *askedDesk) Ask(ctx context.Context, kind datamap.Kind) error {
	q, err := d.b.Submit(ctx, dpo, verified(ask(kind, "email", "pavla@example.org")))
	if err != nil {
		return err
	}
	d.id = q.ID
	d.b.worked(d.t)
	if err := d.b.Approve(ctx, dpo, d.id, Approval{}); err != nil {
		return err
	}
	d.b.worked(d.t)
	d.ref = d.b.linkOf(d.t, "hr@bota.example")
	return nil
}

func (d *askedDesk) Add(ctx context.Context, name string, from io.Reader) error {
	return d.b.AddFile(ctx, d.ref, name, from)
}

func (d *askedDesk) Answer(ctx context.Context, what string) error {
	return d.b.AnswerAsk(ctx, d.ref, AskAnswer{What: what, Who: "Hana", Words: "looked through the files"})
}

func (d *askedDesk) Waits(ctx context.Context) (bool, error) {
	d.b.worked(d.t)
	q, err := d.b.Get(ctx, dpo, d.id)
	if err != nil {
		return false, err
	}
	if q.Status != Running && q.Status != Fulfilled {
		return false, fmt.Errorf("the request is %s", q.Status)
	}
	return q.Status == Running && q.Waiting != "" && d.b.step(d.t, d.id, stageAsk, "paper").Status != "done", nil
}

func (d *askedDesk) Given(context.Context) (map[string]string, error) {
	d.b.worked(d.t)
	data, err := d.b.download(d.t, d.b.mail.one(d.t, "archive"))
	if err != nil {
		return nil, err
	}
	given := map[string]string{}
	for name, content := range unzip(d.t, data) {
		if name, ok := strings.CutPrefix(name, "files/manual/paper/"); ok {
			given[name] = content
		}
	}
	return given, nil
}
