package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"
)

// canonical are the bytes of an entry that are hashed: one JSON object without
// white space, keys sorted at every depth, no HTML escapes, numbers as Postgres
// writes them in a jsonb, times as RFC 3339 in UTC with up to nine digits:
//
//	{"actor":"staff:7","at":"2026-11-01T09:00:00.123456Z","data":{"rows":3},"id":41,"request_id":12,"seq":40,"type":"step.erased"}
//
// request_id is null where there is none. The entry is taken as the database
// gives it back, so that whoever verifies has the same bytes as the sealer.
func canonical(r record, seq int64) ([]byte, error) {
	data, err := decode(r.Data)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// Fields are written in this order; encoding/json sorts the keys of maps.
	err = e.Encode(struct {
		Actor     string `json:"actor"`
		At        string `json:"at"`
		Data      any    `json:"data"`
		ID        int64  `json:"id"`
		RequestID *int64 `json:"request_id"`
		Seq       int64  `json:"seq"`
		Type      string `json:"type"`
	}{r.Actor, r.At.UTC().Format(time.RFC3339Nano), data, r.ID, r.RequestID, seq, r.Type})
	if err != nil {
		return nil, errors.New("it cannot be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// genesis stands in the place of the hash before the first entry.
var genesis = make([]byte, sha256.Size)

// chain is SHA-256(previous hash || canonical entry).
func chain(previous []byte, r record, seq int64) ([]byte, error) {
	c, err := canonical(r, seq)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(previous)
	h.Write(c)
	return h.Sum(nil), nil
}
