// Package ledger is the append-only record of what was done, without personal
// data. An entry is written unsealed in the transaction of the change; one
// sealer numbers and chains committed entries each second.
//
// This file writes and lists entries, seal.go chains them, verify.go walks the
// chain, canonical.go says which bytes are hashed. A chain shows that an entry
// was changed, taken out or put in between; that its newest entries were cut
// off, or all of it was written anew, shows only to whoever kept a head
// (Verification.Head) from before and looks for it (Find).
package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// An Entry is one line of the ledger.
type Entry struct {
	ID        int64
	Seq       int64  // 0: not sealed yet
	Type      string // "request.submitted", "step.erased", "sweep.done", …
	At        time.Time
	RequestID int64  // 0: none
	Actor     string // "subject", "system", or "staff:7"; never an address
	// Data are numbers, names of ours, salted hashes; never contents. Read
	// back, whole numbers are int64, others float64.
	Data map[string]any
}

// Write appends an entry, unsealed, in the caller's transaction. At is kept to
// the microsecond, as Postgres has it.
func Write(ctx context.Context, tx pgx.Tx, e Entry) error {
	if err := check(e); err != nil {
		return fmt.Errorf("ledger entry %q: %w", e.Type, err)
	}
	data := []byte("{}")
	if len(e.Data) > 0 {
		var err error
		if data, err = json.Marshal(e.Data); err != nil {
			return fmt.Errorf("ledger entry %q: its data cannot be written as JSON", e.Type) // the error may quote them
		}
	}
	err := pg.Put(ctx, tx, `
		INSERT INTO lethe.ledger (type, at, request_id, actor, data)
		SELECT type, at, nullif(request, 0), actor, data::jsonb
		FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[]) WITH ORDINALITY AS e (type, at, request, actor, data, n)
		ORDER BY n`, e.Type, e.At.UTC().Truncate(time.Microsecond), e.RequestID, e.Actor, string(data))
	if err != nil {
		return fmt.Errorf("ledger entry %q: %w", e.Type, pg.Clean(err))
	}
	return nil
}

func check(e Entry) error {
	switch {
	case e.Type == "":
		return errors.New("it has no type")
	case e.At.IsZero():
		return errors.New("it has no time")
	case e.Actor == "":
		return errors.New("it has no actor")
	case strings.ContainsAny(e.Actor, "@ "):
		return errors.New("its actor looks like an address or a name; it must be subject, system or a number of ours")
	}
	return nil
}

// The newest entries, sealed and not: both parts are read from the end of an
// index, however long the ledger is.
const (
	listAll = `
		SELECT id, type, at, request_id, actor, data, seq FROM (
			(SELECT l.*, NULL::bigint AS seq FROM lethe.ledger_unsealed u CROSS JOIN LATERAL unnest(u.entries) AS e (id) JOIN lethe.ledger l ON l.id = e.id
			 ORDER BY l.id DESC LIMIT @limit)
			UNION ALL
			(SELECT l.*, s.seq FROM lethe.ledger_seals s JOIN lethe.ledger l ON l.id = s.entry ORDER BY s.seq DESC LIMIT @limit)
		) AS newest
		ORDER BY seq DESC NULLS FIRST, id DESC LIMIT @limit`
	listOne = `
		SELECT l.id, l.type, l.at, l.request_id, l.actor, l.data, s.seq
		FROM lethe.ledger l LEFT JOIN lethe.ledger_seals s ON s.entry = l.id
		WHERE l.request_id = @request
		ORDER BY s.seq DESC NULLS FIRST, l.id DESC LIMIT @limit`
)

// List returns entries in order, newest last; requestID 0: all. Of more than
// limit it returns the newest; limit 0 means all.
func List(ctx context.Context, pool *pgxpool.Pool, requestID int64, limit int) ([]Entry, error) {
	args := pgx.StrictNamedArgs{"limit": nil}
	if limit > 0 {
		args["limit"] = limit
	}
	sql := listAll
	if requestID != 0 {
		sql = listOne
		args["request"] = requestID
	}
	rows, err := pool.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("list the ledger: %w", pg.Clean(err))
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		record
		Seq *int64
	}])
	if err != nil {
		return nil, fmt.Errorf("list the ledger: %w", pg.Clean(err))
	}
	entries := make([]Entry, len(records))
	for i, r := range records {
		e, err := r.entry()
		if err != nil {
			return nil, fmt.Errorf("list the ledger: entry %d: %w", r.ID, err)
		}
		if r.Seq != nil {
			e.Seq = *r.Seq
		}
		entries[len(records)-1-i] = e
	}
	return entries, nil
}

// record is a row as it stands in the table; Data is Postgres' text of a jsonb.
type record struct {
	ID        int64
	Type      string
	At        time.Time
	RequestID *int64
	Actor     string
	Data      []byte
}

func (r record) entry() (Entry, error) {
	e := Entry{ID: r.ID, Type: r.Type, At: r.At.UTC(), Actor: r.Actor}
	if r.RequestID != nil {
		e.RequestID = *r.RequestID
	}
	data, err := decode(r.Data)
	if err != nil {
		return Entry{}, err
	}
	e.Data, _ = plainNumbers(data).(map[string]any)
	return e, nil
}

// decode keeps numbers as they are written: what is hashed must not pass
// through a float.
func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("its data cannot be read")
	}
	return v, nil
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	}
	return v
}
