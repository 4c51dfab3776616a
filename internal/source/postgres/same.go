package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// mark tells in one word what the catalogue's rows of these tables are: any statement
// that changes a table writes some of them anew (xmin), while ANALYZE and VACUUM do not.
// A foreign key that names a table leaves triggers on it. Names that are looked up along
// the search path may lead elsewhere by now. Of partitions and heirs, which may be
// thousands, only which there are is asked.
func (c *catalogue) mark(ctx context.Context, db pg.DB) (mark string, err error) {
	names := slices.Sorted(maps.Keys(c.named))
	tables := slices.Collect(maps.Keys(c.tables))
	err = db.QueryRow(ctx, `
		SELECT md5(coalesce(string_agg(m, ',' ORDER BY m), '')) FROM (
			SELECT 'c' || oid || ' ' || xmin FROM pg_class WHERE oid = ANY($1)
			UNION ALL SELECT 'a' || attrelid || ' ' || attnum || ' ' || xmin FROM pg_attribute WHERE attrelid = ANY($1) AND attnum > 0
			UNION ALL SELECT 'x' || indexrelid || ' ' || xmin FROM pg_index WHERE indrelid = ANY($1)
			UNION ALL SELECT 'g' || oid || ' ' || xmin FROM pg_trigger WHERE tgrelid = ANY($1)
			UNION ALL SELECT 'r' || oid || ' ' || xmin FROM pg_rewrite WHERE ev_class = ANY($1)
			UNION ALL SELECT 'h' || inhrelid || ' ' || xmin FROM pg_inherits WHERE inhparent = ANY($3)
			UNION ALL SELECT 'p' || oid || ' ' || xmin FROM pg_policy WHERE polrelid = ANY($1)
			UNION ALL SELECT 'n' || name || ' ' || coalesce(to_regclass(name)::oid, 0) FROM unnest($2::text[]) AS n(name) WHERE name NOT LIKE '"%"."%"') x(m)`,
		tables, names, slices.Concat(tables, slices.Collect(maps.Keys(c.parts)))).Scan(&mark)
	if err != nil {
		return "", fmt.Errorf("look whether the catalogue is the same: %w", err)
	}
	return mark, nil
}

// still tells whether the catalogue that a program rests on is what it was; asked
// again once what was answered is older than unasked.
func (s *Source) still(ctx context.Context, conn *pgxpool.Conn, p *program) (bool, error) {
	now := s.o.Now()
	s.mu.Lock()
	asked := p.asked
	s.mu.Unlock()
	if now.Sub(asked) < unasked {
		return true, nil
	}
	if err := s.settings(ctx, conn); err != nil {
		return false, err
	}
	mark, err := p.cat.mark(ctx, conn)
	if err != nil || mark != p.mark {
		return false, err
	}
	s.mu.Lock()
	p.asked = now
	s.mu.Unlock()
	return true, nil
}
