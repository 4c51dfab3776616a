package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

const (
	// sealEvery is the sealer's pace; an entry stays unsealed for about so long.
	sealEvery = time.Second
	// sealBatch bounds one transaction of the sealer. A thousand take about
	// 20 ms, so that it keeps up with more than the queue can do.
	sealBatch = 1000
	// sealLimit bounds one turn: a server that does not answer must not keep
	// the loop from being stopped or tried again.
	sealLimit = 30 * time.Second
	// lockKey is "ledger" in ASCII, of the sealer's advisory lock.
	lockKey int64 = 0x6c6564676572
)

// Seal numbers and chains committed entries, about limit of them (what one
// statement wrote goes together, up to a thousand), and says how many.
// One sealer at a time: an advisory lock; another's turn returns 0, nil.
//
// Entries are taken in the order of their ids as far as they are committed. An
// entry whose transaction commits later gets a later number though its id is
// lower: numbers tell the order of sealing, and have no gaps.
func Seal(ctx context.Context, pool *pgxpool.Pool, limit int) (int, error) {
	n := 0
	err := pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lockKey).Scan(&mine); err != nil || !mine {
			return err
		}
		var err error
		n, err = sealBatchOf(ctx, tx, limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("seal the ledger: %w", pg.Clean(err))
	}
	return n, nil
}

// sealBatchOf does the work under the lock. Each statement sees what was
// committed before it began (READ COMMITTED), and the lock is let go after the
// commit is seen, so the head read here is the last one there is.
func sealBatchOf(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
	listed, records, err := toSeal(ctx, tx, limit)
	if err != nil || len(listed) == 0 {
		return 0, err
	}
	seq, hash := int64(0), genesis
	const head = `SELECT seq, hash FROM lethe.ledger_seals ORDER BY seq DESC LIMIT 1`
	err = tx.QueryRow(ctx, head).Scan(&seq, &hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, err
	}
	seqs, ids, hashes := make([]int64, len(records)), make([]int64, len(records)), make([][]byte, len(records))
	for i, r := range records {
		seq++
		if hash, err = chain(hash, r, seq); err != nil {
			return 0, fmt.Errorf("entry %d: %w", r.ID, err)
		}
		seqs[i], ids[i], hashes[i] = seq, r.ID, hash
	}
	const seal = `INSERT INTO lethe.ledger_seals (seq, entry, hash) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])`
	if _, err := tx.Exec(ctx, seal, seqs, ids, hashes); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM lethe.ledger_unsealed WHERE first = ANY ($1)`, listed)
	return len(records), err
}

// toSeal reads the oldest rows of the list of what is to be sealed, and their
// entries, in the entries' order. Those that have a seal (they were restored from
// a backup, which listed them again) are left out.
func toSeal(ctx context.Context, tx pgx.Tx, limit int) (listed []int64, records []record, err error) {
	const list = `
		SELECT first, entries FROM (
			SELECT first, entries, sum(cardinality(entries)) OVER (ORDER BY first) - cardinality(entries) AS before
			FROM (SELECT first, entries FROM lethe.ledger_unsealed ORDER BY first LIMIT $1) oldest) n
		WHERE before < $1`
	rows, err := tx.Query(ctx, list, limit)
	if err != nil {
		return nil, nil, err
	}
	var first int64
	var some, all []int64
	if _, err := pgx.ForEachRow(rows, []any{&first, &some}, func() error {
		listed, all = append(listed, first), append(all, some...)
		return nil
	}); err != nil {
		return nil, nil, err
	}
	const read = `
		SELECT id, type, at, request_id, actor, data FROM lethe.ledger
		WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM lethe.ledger_seals s WHERE s.entry = ledger.id) ORDER BY id`
	if rows, err = tx.Query(ctx, read, all); err != nil {
		return nil, nil, err
	}
	records, err = pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	return listed, records, err
}

// Run seals each second until ctx ends. Every process that works may run it:
// the lock lets one of them seal at a time. A failure is logged when it begins
// and when it is over, not each second.
func Run(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	run(ctx, pool, log, tick.C)
}

func run(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger, tick <-chan time.Time) {
	failing := false
	for {
		err := sealAll(ctx, pool)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			log.Error("ledger: sealing fails; entries wait, and nothing is lost", "error", err)
		case err == nil && failing:
			log.Info("ledger: sealing works again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// sealAll takes batches until one is not full.
func sealAll(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		n, err := sealOnce(ctx, pool)
		if err != nil || n < sealBatch {
			return err
		}
	}
}

func sealOnce(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, sealLimit)
	defer cancel()
	return Seal(ctx, pool, sealBatch)
}
