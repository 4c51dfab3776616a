package dsar

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// ErrOtherKeys is a key file that is not the one with which the database was used.
var ErrOtherKeys = errors.New("the key file is not the one with which this database has been used so far, or is from before the last `lethe keys rotate`: it opens nothing, or not all, of what is stored, and does not know again who was erased. Put the right one back, from its backup; if it is lost for good, begin with a new database, and keep this one for its ledger")

// CheckKeys tells whether the keys are those under which the control database's
// identities are known: by the first and the last of them, an erased and a held one.
// Rotation keeps old keys, so that a key file which has once been right has them all.
func CheckKeys(ctx context.Context, db pg.DB, set *keys.Set) error {
	rows, err := db.Query(ctx, `
		(SELECT key_id FROM identities ORDER BY id LIMIT 1) UNION (SELECT key_id FROM identities ORDER BY id DESC LIMIT 1)
		UNION (SELECT key_id FROM tombstones LIMIT 1) UNION (SELECT key_id FROM holds WHERE key_id IS NOT NULL LIMIT 1)`)
	if err != nil {
		return fmt.Errorf("ask which keys were used: %w", pg.Clean(err))
	}
	used, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("ask which keys were used: %w", pg.Clean(err))
	}
	for _, id := range used {
		if !set.Has(id) {
			return ErrOtherKeys
		}
	}
	return nil
}
