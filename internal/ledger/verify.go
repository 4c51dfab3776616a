package ledger

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// verifyPage is how many entries are fetched by one statement: the chain is
// walked in bounded memory, and no statement runs into a time-out.
const verifyPage = 5000

// Verification is what Verify found.
type Verification struct {
	Sealed, Unsealed int64
	BrokenAt         int64  // number (Seq) of the first entry whose hash does not follow; 0: none
	Missing          int64  // gaps in the numbering, and seals without their entry
	Head             []byte // hash of the last entry; nil when none is sealed
}

// Verify walks the chain as a stream, in one snapshot. After a break it goes on
// from the hash that stands there, so that all gaps are counted.
func Verify(ctx context.Context, pool *pgxpool.Pool) (Verification, error) {
	w := walker{after: math.MinInt64, previous: genesis}
	o := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pg.InTx(ctx, pool, o, func(tx pgx.Tx) error {
		for n := verifyPage; n == verifyPage; {
			var err error
			if n, err = w.page(ctx, tx); err != nil {
				return err
			}
		}
		var all int64
		err := tx.QueryRow(ctx, `SELECT count(*) FROM lethe.ledger`).Scan(&all)
		w.Unsealed = all - w.Sealed // an entry has one seal at most
		return err
	})
	if err != nil {
		return Verification{}, fmt.Errorf("verify the ledger: %w", pg.Clean(err))
	}
	return w.Verification, nil
}

// Find returns the number (Seq) of the sealed entry with this hash, or 0. Of a
// chain that Verify finds whole, it tells whether a head kept from before is still
// in it: else what led to that head was cut off, or all was written anew.
func Find(ctx context.Context, pool *pgxpool.Pool, head []byte) (seq int64, err error) {
	err = pool.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM lethe.ledger_seals WHERE hash = $1`, head).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("find an entry of the ledger: %w", pg.Clean(err))
	}
	return seq, nil
}

// walker is where a walk has come to.
type walker struct {
	Verification
	after    int64 // where the next page begins; at first below any number somebody could have put
	seq      int64 // the last number, 0 before the first
	previous []byte
}

func (w *walker) page(ctx context.Context, tx pgx.Tx) (int, error) {
	const sql = `
		SELECT s.seq, s.hash, l.id IS NOT NULL, s.entry, coalesce(l.type, ''), coalesce(l.at, 'epoch'), l.request_id, coalesce(l.actor, ''), coalesce(l.data, 'null')
		FROM lethe.ledger_seals s LEFT JOIN lethe.ledger l ON l.id = s.entry
		WHERE s.seq > $1 ORDER BY s.seq LIMIT $2`
	rows, err := tx.Query(ctx, sql, w.after, verifyPage)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var r record
		var seq int64
		var hash []byte
		var there bool
		if err := rows.Scan(&seq, &hash, &there, &r.ID, &r.Type, &r.At, &r.RequestID, &r.Actor, &r.Data); err != nil {
			return n, err
		}
		w.step(r, there, seq, hash)
	}
	return n, rows.Err()
}

// step looks at one seal: its entry must be there, its number must be the next
// one, its hash must follow from the one before.
func (w *walker) step(r record, there bool, seq int64, hash []byte) {
	w.Missing += max(0, seq-w.seq-1)
	want, err := chain(w.previous, r, seq)
	if w.BrokenAt == 0 && (!there || seq != w.seq+1 || err != nil || !bytes.Equal(want, hash)) {
		w.BrokenAt = max(1, seq) // 0 would say that nothing is broken
	}
	if there {
		w.Sealed++
	} else {
		w.Missing++
	}
	w.after, w.seq, w.previous, w.Head = seq, seq, hash, hash
}
