package migrations

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// What callers decide on. The errors that wrap them are whole sentences.
var (
	ErrNewer = errors.New("this database was migrated by a newer lethe")
	ErrOlder = errors.New("this database is not up to date")
	ErrOther = errors.New("this database was made by another build of the same version, with other tables")
	// ErrEncoding is a database that cannot hold all letters.
	ErrEncoding = errors.New("Lethe's own database has to be in UTF8; it is in another encoding (CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' makes one)") //nolint:staticcheck // a name
)

// versions of the two lines of migrations; 0: none yet.
type versions struct{ ours, queue int64 }

// Check tells whether the control schema is exactly this binary's: ErrNewer
// when another binary went ahead, ErrOlder when `lethe migrate` must run first,
// ErrOther when a migration has been changed since it was carried out.
func Check(ctx context.Context, pool *pgxpool.Pool) error {
	if err := encoded(ctx, pool); err != nil {
		return err
	}
	has, err := current(ctx, pool)
	if err != nil {
		return fmt.Errorf("read the control schema's version: %w", pg.Clean(err))
	}
	knows, err := known()
	if err != nil {
		return err
	}
	if err := notNewer(has, knows); err != nil {
		return err
	}
	if has != knows {
		return fmt.Errorf("%w (version %d, queue %d; this binary needs %d, queue %d): run lethe migrate",
			ErrOlder, has.ours, has.queue, knows.ours, knows.queue)
	}
	return sameText(ctx, pool, has)
}

// encoded refuses a database that lacks letters: names and texts come from sources
// and people everywhere. SQL_ASCII lacks none.
func encoded(ctx context.Context, db pg.DB) error {
	var holds bool
	if err := db.QueryRow(ctx, `SELECT getdatabaseencoding() IN ('UTF8', 'SQL_ASCII')`).Scan(&holds); err != nil {
		return fmt.Errorf("read the database's encoding: %w", pg.Clean(err))
	}
	if !holds {
		return ErrEncoding
	}
	return nil
}

// textTable keeps a digest of each of our migrations as it was carried out.
const textTable = Schema + ".migration_text"

// digests are those of the migrations that this binary brings, by version.
func digests() (map[int64]string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	all := map[int64]string{}
	for _, name := range names {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		all[n] = hex.EncodeToString(sum[:])
	}
	return all, nil
}

// sameText holds what was carried out against what stands in the files now.
func sameText(ctx context.Context, db pg.DB, has versions) error {
	want, err := digests()
	if err != nil {
		return err
	}
	var there bool
	if err := db.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, textTable).Scan(&there); err != nil {
		return fmt.Errorf("read the control schema's version: %w", pg.Clean(err))
	}
	was := map[int64]string{}
	if there {
		rows, err := db.Query(ctx, `SELECT version, digest FROM `+textTable)
		if err != nil {
			return fmt.Errorf("read the control schema's version: %w", pg.Clean(err))
		}
		var version int64
		var digest string
		if _, err := pgx.ForEachRow(rows, []any{&version, &digest}, func() error { was[version] = digest; return nil }); err != nil {
			return fmt.Errorf("read the control schema's version: %w", pg.Clean(err))
		}
	}
	for version, digest := range want {
		if version <= has.ours && was[version] != digest {
			return fmt.Errorf("%w (version %d): run that build, or make the database anew (DROP SCHEMA %s CASCADE, then lethe migrate), which forgets its requests",
				ErrOther, version, Schema)
		}
	}
	return nil
}

// keepTexts notes what is about to be carried out: noted before, it stands
// there whenever the process dies, and is noted again where it was not done.
func keepTexts(ctx context.Context, db pg.DB, has versions) error {
	if _, err := db.Exec(ctx, `CREATE TABLE IF NOT EXISTS `+textTable+` (version bigint PRIMARY KEY, digest text NOT NULL)`); err != nil {
		return err
	}
	all, err := digests()
	if err != nil {
		return err
	}
	for version, digest := range all {
		if version <= has.ours {
			continue
		}
		_, err := db.Exec(ctx, `INSERT INTO `+textTable+` VALUES ($1, $2) ON CONFLICT (version) DO UPDATE SET digest = excluded.digest`, version, digest)
		if err != nil {
			return err
		}
	}
	return nil
}

func notNewer(has, knows versions) error {
	const advice = "run the newer binary, or restore the backup made before it ran"
	if has.ours > knows.ours {
		return fmt.Errorf("%w (version %d; this binary knows %d): %s", ErrNewer, has.ours, knows.ours, advice)
	}
	if has.queue > knows.queue {
		return fmt.Errorf("%w (queue version %d; this binary knows %d): %s", ErrNewer, has.queue, knows.queue, advice)
	}
	return nil
}

// current reads the versions in the database. The tables are asked for by
// name: neither tool can be asked without making its table, or failing on a
// version that it does not know.
func current(ctx context.Context, db pg.DB) (versions, error) {
	var v versions
	for _, line := range []struct {
		table, sql string
		into       *int64
	}{
		{gooseTable, `SELECT coalesce(max(version_id), 0) FROM ` + gooseTable + ` WHERE is_applied`, &v.ours},
		{Schema + ".river_migration", `SELECT coalesce(max(version), 0) FROM ` + Schema + `.river_migration`, &v.queue},
	} {
		var there bool
		if err := db.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, line.table).Scan(&there); err != nil {
			return versions{}, err
		}
		if !there {
			continue
		}
		if err := db.QueryRow(ctx, line.sql).Scan(line.into); err != nil {
			return versions{}, err
		}
	}
	return v, nil
}

// known are the versions that this binary brings.
func known() (versions, error) {
	var v versions
	all, err := digests()
	if err != nil {
		return v, err
	}
	for n := range all {
		v.ours = max(v.ours, n)
	}
	m, err := migrator(nil)
	if err != nil {
		return v, err
	}
	for _, one := range m.AllVersions() {
		v.queue = max(v.queue, int64(one.Version))
	}
	return v, nil
}
