package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A Misfit is a field that cannot take its masked value.
type Misfit struct {
	Field *datamap.Field
	Doubt
}

// Misfits are the fields that an erasure could not mask: by the built-in policy,
// and by those of policies that erase. Before anything runs (FIDESLANG.md).
func (s *Source) Misfits(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) (list []Misfit, err error) {
	defer func() { err = s.failed("check masked values", err) }()
	err = s.checking(ctx, m, func(conn *pgxpool.Conn, k *checking) error {
		list, err = k.masks(ctx, conn, policies)
		return err
	})
	return list, err
}

// masks looks whether each column can hold what an erasure would put there.
func (k *checking) masks(ctx context.Context, conn *pgxpool.Conn, policies []datamap.Policy) (all []Misfit, err error) {
	for _, policy := range append([]datamap.Policy{datamap.Builtin(datamap.Erasure)}, policies...) {
		if policy.Kind != datamap.Erasure {
			continue
		}
		plan, err := datamap.Compile(k.m, policy, datamap.IdentityTypes(k.m))
		if err != nil {
			continue // what is wrong with the map itself is told by datamap
		}
		k.composites(plan)
		k.unled(plan)
		for _, v := range plan.Visits {
			t := k.cat.table(v.Collection)
			if t == nil || !k.s.holds(v.Collection) {
				continue
			}
			if err := k.changeable(ctx, conn, v, t); err != nil {
				return nil, err
			}
			more, err := k.masksOf(ctx, conn, plan, v, t)
			if err != nil {
				return nil, err
			}
			for _, one := range more { // what the built-in policy meets, others need not repeat
				if !slices.ContainsFunc(all, func(o Misfit) bool { return o.Field == one.Field && o.Level == one.Level }) {
					all = append(all, one)
				}
			}
		}
	}
	return all, nil
}

// masksOf are the misfits of one collection. A column of a collection that loses
// its rows is masked only where a row must stay, so what is wrong there is a doubt.
func (k *checking) masksOf(ctx context.Context, conn *pgxpool.Conn, plan *datamap.Plan, visit *datamap.Visit, t *table) (all []Misfit, err error) {
	v := *visit
	v.Targets = slices.DeleteFunc(slices.Clone(v.Targets), func(x datamap.Target) bool { return t.at(x.Field) == nil })
	at := &stop{visit: &v, c: v.Collection, t: t}
	for _, x := range v.Targets {
		m, masked := at.mask(x)
		switch {
		case masked && m.column.generated:
			all = append(all, Misfit{x.Field, Doubt{Doubtful, x.Field.FullName(),
				"Postgres makes its values itself: an erasure masks it only through the columns that they are made of", "see that these are masked"}})
		case masked && m.column.fixed():
			all = append(all, Misfit{x.Field, Doubt{Doubtful, x.Field.FullName(),
				"Postgres numbers it itself (GENERATED ALWAYS AS IDENTITY): an erasure leaves it as it is",
				"make it BY DEFAULT, or take the category off if the number names nobody"}})
		}
	}
	masks, always := at.masks(), len(at.masks())
	if v.Collection.Keeps != nil && len(at.keepMisfits(k.cat)) == 0 {
		masks = append(masks, at.keepMasks()...)
	}
	for i, m := range masks {
		masks[i].apart = at.apart(m.field.Column())
	}
	erasure := "an erasure"
	if plan.Policy != datamap.Builtin(datamap.Erasure).Name {
		erasure += " by the policy " + plan.Policy
	}
	for i, m := range masks {
		beside := masks[:always]
		if i >= always { // kept rows are masked by these alone
			beside = masks[always:]
		}
		why, meeting, err := k.refusal(ctx, conn, t, m, beside, masks)
		if err != nil {
			return nil, err
		}
		if why == "" {
			continue
		}
		level, more := Wrong, ""
		switch {
		case v.Delete && i < always:
			level, more = Doubtful, ", should a row have to stay"
		case meeting != "":
			level, more = Doubtful, ", should two rows meet in "+meeting
		}
		do := "give the field a masking_strategy_override that fits, or change the column"
		if slices.Contains(t.key, m.column.name) && m.field.Masking == nil {
			// Maps made for Fides need not name the key.
			do = "it is part of the table's primary key: " + marked(t.key) + " leaves it as it is; or give the field a masking_strategy_override that fits"
		}
		all = append(all, Misfit{m.field, Doubt{level, m.field.FullName(), erasure + " cannot mask it" + more + ": " + why, do}})
	}
	return all, nil
}

// marked is how a map names a key: of several columns all have to be, since half of
// a key names no row.
func marked(key []string) string {
	on := ""
	if len(key) > 1 {
		on = " on each of " + strings.Join(key, ", ")
	}
	return "fides_meta: {primary_key: true}" + on
}

// refusal says why a masked value cannot stand in its column, by itself and beside what
// else is masked in the row; or else beside the same in other rows (of meeting, see
// refusedBesideOthers).
func (k *checking) refusal(ctx context.Context, conn *pgxpool.Conn, t *table, m mask, beside, masks []mask) (why, meeting string, err error) {
	if why, err = k.refused(ctx, conn, t, m, beside); why != "" || err != nil {
		return why, "", err
	}
	return k.refusedBesideOthers(ctx, conn, t, m, masks)
}

// refused says why a column cannot hold its masked value, or "".
func (k *checking) refused(ctx context.Context, conn *pgxpool.Conn, t *table, m mask, masks []mask) (string, error) {
	if why := cannotHold(m); why != "" {
		return why, nil
	}
	if m.field.Parent == nil && m.column.class == classArray {
		if why, err := refusedInArray(ctx, conn, m); why != "" || err != nil {
			return why, err
		}
	}
	if why, err := k.refusedByTable(ctx, conn, t, m, masks); why != "" || err != nil {
		return why, err
	}
	if !m.ofColumn() {
		return "", nil
	}
	return refusedByPolicy(ctx, conn, t, m, masks)
}

// refusedByTable looks at what the table says beyond the column's type, and at what
// says the one beneath that a view changes.
func (k *checking) refusedByTable(ctx context.Context, conn *pgxpool.Conn, t *table, m mask, masks []mask) (string, error) {
	if l, below, beside := t.below(m, masks); l != nil {
		for _, o := range beside { // a statement changes a column once
			if o.column.name == below.column.name && o.field.Column() != m.field.Column() {
				return "it is the same column of " + l.schema + "." + l.name + " as " + o.field.Column().FullName(), nil
			}
		}
		return k.refusedByTable(ctx, conn, l, below, beside)
	}
	whole := k.whole(t)
	if why, err := refusedByPart(ctx, conn, whole, m); why != "" || err != nil {
		return why, err
	}
	if why, err := k.refusedByKey(ctx, conn, t, whole, m, masks); why != "" || err != nil {
		return why, err
	}
	if why, err := k.refusedByCheck(ctx, conn, t, whole, m, masks); why != "" || err != nil {
		return why, err
	}
	if !m.ofColumn() {
		return "", nil
	}
	return refusedByBounds(ctx, conn, t, m)
}

// whole are the oids of a table and of all that is partition or heir of it: each
// may have constraints of its own.
func (k *checking) whole(t *table) []uint32 {
	all := []uint32{t.oid}
	for part, tops := range k.cat.parts {
		if slices.Contains(tops, t.oid) {
			all = append(all, part)
		}
	}
	return all
}

// refusedByPart looks at what a partition or heir says of the column beyond the table itself.
func refusedByPart(ctx context.Context, conn *pgxpool.Conn, whole []uint32, m mask) (string, error) {
	if m.how != "null_rewrite" || len(whole) == 1 {
		return "", nil
	}
	var part *string
	if err := conn.QueryRow(ctx, `SELECT min(a.attrelid::regclass::text) FROM pg_attribute a WHERE a.attrelid = ANY($1) AND a.attname = $2 AND a.attnotnull`,
		whole, m.column.name).Scan(&part); err != nil {
		return "", fmt.Errorf("read what partitions say: %w", err)
	}
	if part != nil {
		return "null_rewrite, and the column is NOT NULL in " + *part, nil
	}
	return "", nil
}

// cannotHold says why a column cannot hold its masked value as far as its
// definition tells, or "".
func cannotHold(m mask) string {
	c := m.column
	of, inside := c, m.field.Parent != nil || c.class == classJSON
	if c.class == classArray && c.element != nil {
		of = c.element
	}
	switch {
	case inside && (m.field.Parent != nil || m.how != "null_rewrite"):
		return ""
	case m.how == "null_rewrite" && c.notNull:
		return "null_rewrite, and the column is NOT NULL"
	case m.how == "string_rewrite" && !of.class.holds(m.value):
		return "a value of type " + of.typ + " is needed"
	case m.how == strategyAES && m.letters < shortestCipher:
		return fmt.Sprintf("what is encrypted has at least %d letters, and four for every three bytes of the value", shortestCipher)
	case (m.how == "random_string_rewrite" || m.how == strategyAES || m.bits > 0) && !of.class.textual():
		return "letters and digits do not fit type " + of.typ
	}
	return ""
}

// repeats tells whether a mask gives the same value to several rows.
func (m mask) repeats() bool {
	return m.how == "string_rewrite" || m.how == "random_string_rewrite" && m.letters < 8 || m.bits > 0 && m.letters < 32
}

// differing is the condition that index x forbids two rows to be alike in a column
// of its table (a number), perhaps together with others: one over the column itself
// or over an expression of it.
func differing(column string) string {
	return `(x.indislive AND (x.indisunique OR x.indisexclusion) AND (` + column + ` = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1]) OR x.indexprs IS NOT NULL AND EXISTS (
		SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid AND d.refobjid = x.indrelid AND d.refobjsubid = ` + column + `)))`
}

// madeOf joins a column that Postgres makes itself, by its expression f, with the
// columns of which it makes it, at d.refobjsubid. Before 15 they hang on the column.
const madeOf = `d.refobjid = f.adrelid AND d.refobjsubid <> f.adnum AND (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
	OR d.classid = 'pg_class'::regclass AND d.objid = f.adrelid AND d.objsubid = f.adnum)`

// refusedBesideOthers looks at what must differ from row to row: unique indexes
// and exclusions over the column, over an expression of it, or over a column that
// Postgres makes of it. One of several columns, or of part of the rows, is told in
// meeting: whether two masked rows are alike in it depends on the rows.
func (k *checking) refusedBesideOthers(ctx context.Context, conn *pgxpool.Conn, t *table, m mask, masks []mask) (why, meeting string, err error) {
	if l, below, beside := t.below(m, masks); l != nil {
		return k.refusedBesideOthers(ctx, conn, l, below, beside)
	}
	switch {
	case m.field.Parent != nil && m.repeats():
		return k.alikeInRows(ctx, conn, t, m, masks)
	case m.field.Parent != nil || !m.repeats() && m.how != "null_rewrite":
		return "", "", nil
	}
	rows, err := conn.Query(ctx, `
		SELECT DISTINCT i.relname::text, x.indisunique AND x.indnkeyatts = 1 AND x.indpred IS NULL,
		       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::bool, false), -- Postgres 15 and later
		       ARRAY(SELECT o.attname::text FROM pg_attribute o WHERE o.attrelid = a.attrelid AND o.attnum <> n.num AND o.attnum = ANY(k.columns) ORDER BY o.attname)
		FROM pg_attribute a
		CROSS JOIN LATERAL (
			SELECT a.attnum AS num
			UNION SELECT f.adnum FROM pg_attrdef f JOIN pg_depend d ON `+madeOf+` AND d.refobjsubid = a.attnum
			WHERE f.adrelid = a.attrelid) n
		JOIN pg_index x ON x.indrelid = a.attrelid AND `+differing("n.num")+`
		JOIN pg_class i ON i.oid = x.indexrelid
		CROSS JOIN LATERAL (SELECT (x.indkey::int2[])[0:x.indnkeyatts - 1] AS columns) k
		WHERE a.attrelid = ANY($1) AND a.attname = $2
		ORDER BY 2 DESC, 1`, k.whole(t), m.column.name)
	if err != nil {
		return "", "", fmt.Errorf("read what must be unique: %w", err)
	}
	type index struct {
		Name         string
		Alone, Nulls bool
		Others       []string
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return "", "", fmt.Errorf("read what must be unique: %w", err)
	}
	for _, x := range indexes {
		differ := m.how == "null_rewrite" && !x.Nulls || len(x.Others) > 0 && t.isKey(x.Others) || slices.ContainsFunc(masks, func(o mask) bool {
			return o.field.Parent == nil && slices.Contains(x.Others, o.column.name) && (o.how != "null_rewrite" || !x.Nulls) && !o.repeats()
		})
		if differ {
			continue
		}
		why = "each row must have a value of its own, and " + m.how + " gives the same to several"
		if !x.Alone {
			meeting = x.Name
		}
		return why, meeting, nil
	}
	return "", "", nil
}

// alikeInRows is the same of a key in a document, which an index may be made of or
// not: rows that are there are tried.
func (k *checking) alikeInRows(ctx context.Context, conn *pgxpool.Conn, t *table, m mask, masks []mask) (why, meeting string, err error) {
	rows, err := conn.Query(ctx, `
		SELECT i.relname::text, x.indnkeyatts = 1 AND x.indpred IS NULL, coalesce(pg_get_expr(x.indpred, x.indrelid), 'true'),
		       ARRAY(SELECT pg_get_indexdef(x.indexrelid, n, false) FROM generate_series(1, x.indnkeyatts) n),
		       ARRAY(SELECT o.attname::text FROM pg_attribute o WHERE o.attrelid = x.indrelid AND (o.attnum = ANY(x.indkey::int2[]) OR EXISTS (
		         SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid AND d.refobjid = x.indrelid AND d.refobjsubid = o.attnum)))
		FROM pg_attribute a JOIN pg_index x ON x.indrelid = a.attrelid AND x.indisunique AND `+differing("a.attnum")+` JOIN pg_class i ON i.oid = x.indexrelid
		WHERE a.attrelid = $1 AND a.attname = $2 ORDER BY 2 DESC, 1`, t.oid, m.column.name)
	if err != nil {
		return "", "", fmt.Errorf("read what must be unique: %w", err)
	}
	type index struct {
		Name           string
		Alone          bool
		Where          string
		Parts, Columns []string
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return "", "", fmt.Errorf("read what must be unique: %w", err)
	}
	for _, x := range indexes {
		parts, filled := strings.Join(x.Parts, ", "), strings.Join(x.Parts, " IS NOT NULL AND ")+" IS NOT NULL"
		// The expressions are Postgres' own print of the index.
		alike, err := k.ofMaskedRows(ctx, conn, t, "SELECT count(*) > count(DISTINCT ROW("+parts+")) FROM masked WHERE "+filled+" AND ("+x.Where+")", x.Columns, append([]mask{m}, masks...))
		switch {
		case err != nil && !refusing(err):
			return "", "", fmt.Errorf("try a masked value: %w", err)
		case err != nil || !alike:
			continue
		case !x.Alone:
			meeting = x.Name
		}
		return "each row must have a value of its own, and " + m.how + " gives the same to several", meeting, nil
	}
	return "", "", nil
}

// refusedByKey looks at foreign keys: one of the column's own, whose parent has
// no row of the masked value, or that is not emptied whole (MATCH FULL), and those of others that the column is the key of,
// unless these take the masked value over (ON UPDATE CASCADE).
func (k *checking) refusedByKey(ctx context.Context, conn *pgxpool.Conn, t *table, whole []uint32, m mask, masks []mask) (string, error) {
	var emptied []string
	for _, o := range append([]mask{m}, masks...) {
		if o.ofColumn() && o.how == "null_rewrite" {
			emptied = append(emptied, o.column.name)
		}
	}
	var name *string
	if err := conn.QueryRow(ctx, `
		SELECT min(k.conname::text) FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
		WHERE k.conrelid = ANY($1) AND k.contype = 'f' AND a.attname = $2 AND ($3 OR k.confmatchtype = 'f' AND EXISTS (
			SELECT FROM pg_attribute o WHERE o.attrelid = k.conrelid AND o.attnum = ANY(k.conkey) AND o.attname <> ALL($4::text[])))`,
		whole, m.column.name, m.how != "null_rewrite", emptied).Scan(&name); err != nil {
		return "", fmt.Errorf("read foreign keys: %w", err)
	}
	switch {
	case name == nil:
	case m.how == "null_rewrite":
		return "the foreign key " + *name + " (MATCH FULL) wants all of its columns to be NULL, or none", nil
	default:
		return "the foreign key " + *name + " wants a row that has the masked value", nil
	}
	for _, f := range t.children {
		child := k.cat.tables[f.child]
		if i := slices.Index(f.references, m.column.name); i >= 0 && (!f.follows || m.how == "null_rewrite" && !child.mayBeNull(f.columns[i])) {
			return "rows of " + child.schema + "." + child.name + " name it by the foreign key " + f.name, nil
		}
	}
	return "", nil
}

// refusedByBounds looks whether there is a partition for the masked value of the
// column by which a table is divided. Where several columns divide it, the row tells.
func refusedByBounds(ctx context.Context, conn *pgxpool.Conn, t *table, m mask) (string, error) {
	rows, err := conn.Query(ctx, `
		SELECT pg_get_partition_constraintdef(i.inhrelid)
		FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND p.partnatts = 1 AND p.partattrs[0] = a.attnum
		JOIN pg_inherits i ON i.inhparent = p.partrelid
		WHERE p.partrelid = $1 AND a.attname = $2`, t.oid, m.column.name)
	if err != nil {
		return "", fmt.Errorf("read the partitions: %w", err)
	}
	bounds, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil {
		return "", fmt.Errorf("read the partitions: %w", err)
	}
	for _, b := range bounds {
		if b == nil { // the only one, which takes all
			return "", nil
		}
		taken, err := satisfies(ctx, conn, *b, m)
		if err != nil || taken {
			return "", err
		}
	}
	if len(bounds) == 0 {
		return "", nil
	}
	return "no partition of " + t.schema + "." + t.name + " takes the masked value", nil
}

// satisfies tells whether a row with the masked values meets a condition, as
// Postgres prints it, over these columns alone.
func satisfies(ctx context.Context, conn *pgxpool.Conn, condition string, masks ...mask) (is bool, err error) {
	columns, values := make([]string, len(masks)), make([]any, len(masks))
	for i, m := range masks {
		columns[i] = fmt.Sprintf("$%d::text::%s AS %s", i+1, m.column.typ, pgx.Identifier{m.column.name}.Sanitize())
		values[i] = m.sample()
	}
	err = conn.QueryRow(ctx, "SELECT (("+condition+") IS NOT FALSE) FROM (SELECT "+strings.Join(columns, ", ")+") x", values...).Scan(&is)
	return is, err
}

// refusedByCheck tries the masked value against the column's type, domain and
// check constraints; against those over several columns where each is masked to the
// same in every row. What others say depends on the row, as of arrays and documents,
// of which a part is masked: some rows that are there are tried. A column that Postgres
// makes of others and that may not be NULL is such a constraint.
func (k *checking) refusedByCheck(ctx context.Context, conn *pgxpool.Conn, t *table, whole []uint32, m mask, masks []mask) (string, error) {
	if m.ofColumn() {
		if why, err := refusedByType(ctx, conn, m.column, m.sample()); why != "" || err != nil {
			return why, err
		}
	} else if domain := m.column.domain; domain != "" {
		fits := "pg_typeof(" + pgx.Identifier{m.column.name}.Sanitize() + "::" + domain + ") IS NOT NULL"
		if _, err := k.refusedInRows(ctx, conn, t, fits, []string{m.column.name}, append([]mask{m}, masks...)); err != nil {
			return tried(err, "its type "+domain+" refuses the masked value in rows that are there")
		}
	}
	rows, err := conn.Query(ctx, `
		WITH asked AS (
			SELECT 'the constraint ' || conname AS name, pg_get_expr(conbin, conrelid) AS expression, conrelid AS rel, conkey AS columns
			FROM pg_constraint WHERE conrelid = ANY($1) AND contype = 'c'
			UNION ALL
			SELECT 'the column ' || g.attname || ', which Postgres makes of it and which is NOT NULL,', '(' || pg_get_expr(f.adbin, f.adrelid) || ') IS NOT NULL', f.adrelid,
			       ARRAY(SELECT d.refobjsubid::int2 FROM pg_depend d WHERE `+madeOf+`)
			FROM pg_attrdef f JOIN pg_attribute g ON g.attrelid = f.adrelid AND g.attnum = f.adnum
			WHERE f.adrelid = ANY($1) AND g.attgenerated = 's' AND g.attnotnull)
		SELECT DISTINCT k.name, k.expression,
		       ARRAY(SELECT o.attname::text FROM pg_attribute o WHERE o.attrelid = k.rel AND o.attnum = ANY(k.columns) AND o.attname <> $2 ORDER BY o.attname), k.rel = $3
		FROM asked k JOIN pg_attribute a ON a.attrelid = k.rel AND a.attname = $2 AND a.attnum = ANY(k.columns)
		ORDER BY 1`, whole, m.column.name, t.oid)
	if err != nil {
		return "", fmt.Errorf("read check constraints: %w", err)
	}
	type check struct {
		Name, Expression string
		Others           []string
		Own              bool // of the table itself, and not of a partition's rows alone
	}
	checks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[check])
	if err != nil {
		return "", fmt.Errorf("read check constraints: %w", err)
	}
	for _, c := range checks {
		all, told := besideOthers(m, c.Others, masks)
		why := c.Name + " refuses the masked value"
		if len(c.Others) > 0 {
			why += " beside that of " + strings.Join(c.Others, " and ")
		}
		if !told && !c.Own {
			continue
		}
		if !told {
			refused, err := k.refusedInRows(ctx, conn, t, c.Expression, append([]string{m.column.name}, c.Others...), append([]mask{m}, masks...))
			if err != nil {
				return tried(err, why)
			}
			if refused {
				return why + " in rows that are there", nil
			}
			continue
		}
		// The expression is Postgres' own print of the constraint.
		met, err := satisfies(ctx, conn, c.Expression, all...)
		if err != nil {
			return tried(err, why)
		}
		if !met {
			return why, nil
		}
	}
	return "", nil
}

// refusedInRows tries a constraint over several columns on rows that are there: a
// contact must have a name, and an address need not. Some rows are looked at, and not
// for long: where row-level security hides most, a whole table may be read for them.
// One that cannot be read, or not in that time, is not tried.
func (k *checking) refusedInRows(ctx context.Context, conn *pgxpool.Conn, t *table, expression string, names []string, masks []mask) (refused bool, err error) {
	return k.ofMaskedRows(ctx, conn, t, "SELECT EXISTS (SELECT FROM masked WHERE ("+expression+") IS FALSE)", names, masks)
}

// ofMaskedRows answers a question of some columns of some rows as the masks leave
// them (masked); false where that cannot be said.
func (k *checking) ofMaskedRows(ctx context.Context, conn *pgxpool.Conn, t *table, question string, names []string, masks []mask) (is bool, err error) {
	from, values := besideMasks(t, names, masks)
	if !t.can["SELECT"] || from == "" {
		return false, nil
	}
	err = k.s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+milliseconds(sampleTimeout)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "WITH masked AS MATERIALIZED ("+from+") "+question, values...).Scan(&is)
	})
	if err == nil || refusing(err) || ctx.Err() != nil || conn.Conn().IsClosed() {
		return is, err
	}
	return false, nil
}

// besideMasks reads some columns of some rows, those that are masked as the masks
// leave them; "" where that cannot be said before a row is masked.
func besideMasks(t *table, names []string, masks []mask) (from string, values []any) {
	w := &writer{}
	var columns []string
	for _, name := range names {
		column, c := pgx.Identifier{name}.Sanitize(), t.columns[name]
		of := slices.DeleteFunc(slices.Clone(masks), func(o mask) bool { return o.column.name != name })
		switch {
		case c == nil || c.generated || slices.ContainsFunc(of, func(o mask) bool { return !o.ofColumn() && (o.apart || o.how == strategyAES) }):
			return "", nil
		case len(of) > 0 && of[0].ofColumn():
			sample := w.bind(name, func(*run) any { return of[0].sample() })
			column = fmt.Sprintf("CASE WHEN %[1]s IS NOT NULL THEN %[2]s::text::%[3]s END AS %[1]s", column, sample, c.typ)
		case len(of) > 0:
			column = w.become(of, nil, false) + " AS " + column
		}
		columns = append(columns, column)
	}
	sample := w.statement("SELECT " + strings.Join(columns, ", ") + " FROM (SELECT * FROM " + t.ident() + " LIMIT 1000) t")
	return sample.sql, sample.args(&run{walk: source.Walk{Secret: []byte("of nobody")}})
}

// besideOthers are the masks of a column and of others, if they make all rows alike.
func besideOthers(m mask, others []string, masks []mask) (all []mask, alike bool) {
	all = []mask{m}
	for _, name := range others {
		for _, o := range masks {
			if o.column.name == name && o.alike() {
				all = append(all, o)
			}
		}
	}
	return all, m.ofColumn() && (len(others) == 0 || len(all) == len(others)+1 && m.alike())
}

// ofColumn tells that a mask is of a column, and not of something in it.
func (m mask) ofColumn() bool {
	divided := m.column.class == classArray || m.column.class == classJSON
	return m.field.Parent == nil && (!divided || m.how == "null_rewrite" && !m.apart)
}

// alike tells that the whole column holds the same after masking, whatever stood there: NULL stays NULL.
func (m mask) alike() bool {
	return m.ofColumn() && (m.how == "null_rewrite" || m.how == "string_rewrite" && m.column.notNull)
}

// refusedByType tries the masked value against the type, with its modifier.
func refusedByType(ctx context.Context, conn *pgxpool.Conn, c *column, value *string) (string, error) {
	typ := c.typ // of texts, whose masked values are cut beforehand
	switch {
	case c.domain != "":
		typ = c.domain
	case !c.class.textual():
		typ = c.exact
	}
	why := "its type " + typ + " refuses the masked value"
	if _, err := conn.Exec(ctx, "SELECT $1::text::"+typ, value); err != nil {
		return tried(err, why)
	}
	if value == nil || !strings.HasPrefix(c.exact, "bit") {
		return "", nil
	}
	// A cast pads bits and cuts them; a row that is written does not.
	var same bool
	if err := conn.QueryRow(ctx, "SELECT $1::text::"+typ+"::text = $1::text", value).Scan(&same); err != nil {
		return "", fmt.Errorf("try a masked value: %w", err)
	}
	if !same {
		return why, nil
	}
	return "", nil
}

// refusedInArray tries the masked value as an element.
func refusedInArray(ctx context.Context, conn *pgxpool.Conn, m mask) (string, error) {
	value, typ := m.sample(), m.column.typ
	if value == nil || m.column.element == nil {
		return "", nil
	}
	if m.column.domain != "" {
		typ = m.column.domain
	}
	if _, err := conn.Exec(ctx, "SELECT ARRAY[$1::text]::"+typ, value); err != nil {
		return tried(err, "its type "+typ+" refuses the masked value")
	}
	return "", nil
}

// tried tells a value that Postgres refused (classes 22 and 23) from an attempt that failed.
func tried(err error, why string) (string, error) {
	if refusing(err) {
		return why, nil
	}
	return "", fmt.Errorf("try a masked value: %w", err)
}

// refusing tells whether an error is of a value that is not taken.
func refusing(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (strings.HasPrefix(refused.Code, "22") || strings.HasPrefix(refused.Code, "23"))
}

// sample is a value as the mask gives it; nil for NULL.
func (m mask) sample() *string {
	v := m.value
	switch {
	case m.how == "random_string_rewrite":
		v = strings.Repeat("abcdefghijklmnop", m.letters/16+1)[:m.letters] + m.suffix
	case m.bits > 0:
		v = strings.Repeat("0123456789abcdef", m.letters/16+1)[:m.letters] + m.suffix
	case m.how == strategyAES:
		v = m.sampleCipher()
	case m.how != "string_rewrite":
		return nil
	}
	return &v
}
