package dsar

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A kill between storing the archive and noting it leaves no object behind.
func TestArchiveKilled(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Access, "karel@example.org")
	w := b.job(t, id, "archive", "")
	// The first attempt stores its object, and dies before the end of the step.
	st, _, err := b.claimStep(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	r, err := loadRequest(t.Context(), b.pool, id, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.seal(t.Context(), st, r); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if _, err := b.download(t, b.mail.one(t, "archive")); err != nil {
		t.Fatal(err)
	}
	var note archiveNote
	var cipher []byte
	if err := b.pool.QueryRow(t.Context(), `SELECT note_cipher FROM steps WHERE id = $1`, w.ID).Scan(&cipher); err != nil {
		t.Fatal(err)
	}
	if err := b.openJSON(place(stepOf, w.ID), cipher, &note); err != nil {
		t.Fatal(err)
	}
	if len(note.Objects) != 2 {
		t.Fatalf("expected both attempts' objects to be noted, got %d", len(note.Objects))
	}
	if _, err := b.c.Storage.Open(t.Context(), note.Objects[0]); err == nil {
		t.Error("expected the first attempt's object to be deleted")
	}
}
