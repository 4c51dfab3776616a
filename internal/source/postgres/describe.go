package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/draft"
)

// Describing says what Describe reads.
type Describing struct {
	Schemas []string // empty: all but Postgres' own and extensions'
	// Sample is the number of values looked at in each column; 0: no contents are read.
	Sample int
	Today  time.Time // what birthdays are reckoned from
}

// sampleTimeout bounds the reading of one table's sample. A table that is not
// sampled in that time is drafted by its names alone.
const sampleTimeout = 2 * time.Second

// Describe reads what the catalogue says of tables, for a first data map, and
// what a bounded sample of their contents looks like: counts only, the values
// are looked at and forgotten. Told are also the tables that were not sampled.
func (s *Source) Describe(ctx context.Context, o Describing) (db *draft.Database, unsampled []string, err error) {
	defer func() { err = s.failed("describe the database", err) }()
	db = &draft.Database{Only: o.Schemas}
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		err := s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
			if err := describe(ctx, tx, o.Schemas, db); err != nil {
				return err
			}
			return describeOthers(ctx, tx, db)
		})
		if err != nil || o.Sample <= 0 {
			return err
		}
		// Each in a transaction of its own: one that fails or takes too long spoils no other.
		look := func(f func(tx pgx.Tx) error, failed func()) error {
			if err := s.inTx(ctx, conn, reading, f); err != nil {
				if ctx.Err() != nil || conn.Conn().IsClosed() {
					return err
				}
				failed()
			}
			return nil
		}
		for _, t := range db.Tables {
			if t.Kind != "table" {
				continue
			}
			err := look(func(tx pgx.Tx) error { return sample(ctx, tx, t, o) }, func() { unsampled = append(unsampled, t.FullName()) })
			if err != nil {
				return err
			}
		}
		for _, g := range draft.Guesses(db) {
			if err := look(func(tx pgx.Tx) error { return agree(ctx, tx, g, o.Sample) }, func() {}); err != nil {
				return err
			}
		}
		return nil
	})
	return db, unsampled, err
}

func describe(ctx context.Context, tx pgx.Tx, schemas []string, db *draft.Database) error {
	if schemas == nil {
		schemas = []string{}
	}
	rows, err := tx.Query(ctx, `
		SELECT c.oid, n.nspname::text, c.relname::text, c.reltuples::float8,
		       CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialised view' WHEN 'f' THEN 'foreign table' ELSE 'table' END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
		  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
		  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
		  AND CASE WHEN cardinality($1::text[]) = 0 THEN n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
		      ELSE n.nspname = ANY($1) END
		  AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
		ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`, schemas)
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	byOID := map[uint32]*draft.Table{}
	var oids []uint32
	var oid uint32
	var t draft.Table
	if _, err := pgx.ForEachRow(rows, []any{&oid, &t.Schema, &t.Name, &t.Rows, &t.Kind}, func() error {
		n := t
		byOID[oid] = &n
		oids = append(oids, oid)
		db.Tables = append(db.Tables, &n)
		return nil
	}); err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	if err := describeColumns(ctx, tx, oids, byOID); err != nil {
		return err
	}
	return describeKeys(ctx, tx, oids, byOID)
}

func describeColumns(ctx context.Context, tx pgx.Tx, oids []uint32, byOID map[uint32]*draft.Table) error {
	rows, err := tx.Query(ctx, `
		SELECT a.attrelid, a.attname::text, format_type(b.oid, NULL), a.attnotnull OR t.typnotnull, a.attgenerated <> '',
		       CASE WHEN b.typname IN ('varchar', 'bpchar') AND greatest(a.atttypmod, t.typtypmod) > 4 THEN greatest(a.atttypmod, t.typtypmod) - 4 ELSE 0 END,
		       has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
		       EXISTS (SELECT FROM pg_index x WHERE x.indrelid = a.attrelid AND `+differing("a.attnum")+`)
		FROM pg_attribute a
		JOIN pg_type t ON t.oid = a.atttypid
		JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
		WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`, oids)
	if err != nil {
		return fmt.Errorf("list the columns: %w", err)
	}
	var rel uint32
	var c draft.Column
	var readable bool
	if _, err := pgx.ForEachRow(rows, []any{&rel, &c.Name, &c.Type, &c.NotNull, &c.Generated, &c.Length, &readable, &c.Differs}, func() error {
		if !readable {
			byOID[rel].Unread = append(byOID[rel].Unread, c.Name)
			return nil
		}
		n := c
		n.Class = draft.ClassOf(n.Type)
		byOID[rel].Columns = append(byOID[rel].Columns, &n)
		return nil
	}); err != nil {
		return fmt.Errorf("list the columns: %w", err)
	}
	return nil
}

func describeKeys(ctx context.Context, tx pgx.Tx, oids []uint32, byOID map[uint32]*draft.Table) error {
	rows, err := tx.Query(ctx, `
		SELECT x.indrelid, x.indisprimary, array_agg(a.attname::text ORDER BY p.i)
		FROM pg_index x
		CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY AS p(num, i)
		JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = p.num
		WHERE x.indrelid = ANY($1) AND x.indisunique AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL AND p.i <= x.indnkeyatts
		GROUP BY x.indexrelid, x.indrelid, x.indisprimary ORDER BY x.indexrelid`, oids)
	if err != nil {
		return fmt.Errorf("list the keys: %w", err)
	}
	var rel, parent uint32
	var primary bool
	var columns, references []string
	if _, err := pgx.ForEachRow(rows, []any{&rel, &primary, &columns}, func() error {
		t := byOID[rel]
		if primary {
			t.Key = slices.Clone(columns)
		}
		t.Unique = append(t.Unique, slices.Clone(columns))
		return nil
	}); err != nil {
		return fmt.Errorf("list the keys: %w", err)
	}
	// Those that stand on partitions and heirs are the table's own: its rows are theirs. One that leads
	// to a partition or an heir is left, because what is a key there need be none of the whole table.
	rows, err = tx.Query(ctx, `
		WITH RECURSIVE stands(oid, top) AS (
			SELECT w.oid, w.oid FROM unnest($1::oid[]) AS w(oid)
			UNION
			SELECT i.inhrelid, s.top FROM stands s JOIN pg_inherits i ON i.inhparent = s.oid)
		SELECT c.top, k.confrelid,
		       (SELECT array_agg(a.attname::text ORDER BY p.i) FROM unnest(k.conkey) WITH ORDINALITY AS p(num, i)
		          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.num),
		       (SELECT array_agg(a.attname::text ORDER BY p.i) FROM unnest(k.confkey) WITH ORDINALITY AS p(num, i)
		          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.num)
		FROM pg_constraint k JOIN stands c ON c.oid = k.conrelid
		WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1)
		GROUP BY 1, 2, 3, 4 ORDER BY c.top, min(k.conname::text COLLATE "C")`, oids)
	if err != nil {
		return fmt.Errorf("list the foreign keys: %w", err)
	}
	if _, err := pgx.ForEachRow(rows, []any{&rel, &parent, &columns, &references}, func() error {
		t, p := byOID[rel], byOID[parent]
		if hasAll(t, columns) {
			t.Links = append(t.Links, draft.ForeignKey{Columns: slices.Clone(columns), Schema: p.Schema, Table: p.Name, References: slices.Clone(references)})
		}
		return nil
	}); err != nil {
		return fmt.Errorf("list the foreign keys: %w", err)
	}
	return nil
}

// hasAll tells whether a table has these columns, which only an heir of it may have.
func hasAll(t *draft.Table, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.Contains(t.Unread, name) && !slices.ContainsFunc(t.Columns, func(c *draft.Column) bool { return c.Name == name })
	})
}

// describeOthers lists what is there and not described, so that an update of a
// map does not take it for gone, and where a table without a schema is looked for.
func describeOthers(ctx context.Context, tx pgx.Tx, db *draft.Database) error {
	if err := tx.QueryRow(ctx, `SELECT current_schemas(false)::text[]`).Scan(&db.Path); err != nil {
		return fmt.Errorf("read the search path: %w", err)
	}
	known := make(map[[2]string]bool, len(db.Tables))
	for _, t := range db.Tables {
		known[[2]string{t.Schema, t.Name}] = true
	}
	rows, err := tx.Query(ctx, `
		SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`)
	if err != nil {
		return fmt.Errorf("list what else is there: %w", err)
	}
	var one [2]string
	if _, err := pgx.ForEachRow(rows, []any{&one[0], &one[1]}, func() error {
		if !known[one] {
			db.Others = append(db.Others, one)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("list what else is there: %w", err)
	}
	return nil
}
