// Package ledger is the append-only record of what was done, without personal
// data. An entry is written unsealed in the transaction of the change; one
// sealer numbers and chains committed entries each second.
package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// An Entry is one line of the ledger.
type Entry struct {
	ID        int64
	Seq       int64  // 0: not sealed yet
	Type      string // "request.submitted", "step.erased", "sweep.done", …
	At        time.Time
	RequestID int64          // 0: none
	Actor     string         // "subject", "system", or "staff:7"; never an address
	Data      map[string]any // numbers, names of ours, salted hashes
}

// Write appends an entry, unsealed, in the caller's transaction.
func Write(ctx context.Context, tx pgx.Tx, e Entry) error { panic("to be built") }

// Seal numbers and chains committed entries, at most limit, and says how many.
// One sealer at a time: an advisory lock; another's turn returns 0, nil.
func Seal(ctx context.Context, pool *pgxpool.Pool, limit int) (int, error) { panic("to be built") }

// Verification is what Verify found.
type Verification struct {
	Sealed, Unsealed int64
	BrokenAt         int64 // first entry whose hash does not follow; 0: none
	Missing          int64 // gaps in the numbering
	Head             []byte
}

// Verify walks the chain as a stream.
func Verify(ctx context.Context, pool *pgxpool.Pool) (Verification, error) { panic("to be built") }

// List returns entries in order, newest last; requestID 0: all.
func List(ctx context.Context, pool *pgxpool.Pool, requestID int64, limit int) ([]Entry, error) {
	panic("to be built")
}
