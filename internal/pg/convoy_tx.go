package pg

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is a pool whose statements go together with those of others where the
// work belongs to a convoy (Together). Elsewhere it is what it holds.
type Pool struct{ *pgxpool.Pool }

// together asks as a member; what fails is asked once more, alone, so that each
// gets its own answer.
func (p Pool) together(ctx context.Context, a *ask) (results *buffered, ok bool) {
	c := member(ctx)
	if c == nil || c.pool != p.Pool {
		return nil, false
	}
	c.wait(a, func() { c.asks = append(c.asks, a) })
	if a.err != nil {
		Away(ctx, func() {
			var conn *pgxpool.Conn
			if conn, a.err = p.Acquire(ctx); a.err == nil {
				a.err = send(ctx, conn.Conn(), []*ask{a})
				conn.Release()
			}
		})
	}
	return &buffered{c: c, results: a.results, err: a.err}, true
}

// Exec is the pool's.
func (p Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if r, ok := p.together(ctx, one(sql, args)); ok {
		return r.Exec()
	}
	return p.Pool.Exec(ctx, sql, args...)
}

// Query is the pool's.
func (p Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if r, ok := p.together(ctx, one(sql, args)); ok {
		return r.Query()
	}
	return p.Pool.Query(ctx, sql, args...)
}

// QueryRow is the pool's.
func (p Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if r, ok := p.together(ctx, one(sql, args)); ok {
		return r.QueryRow()
	}
	return p.Pool.QueryRow(ctx, sql, args...)
}

// SendBatch is the pool's.
func (p Pool) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if r, ok := p.together(ctx, &ask{batch: b}); ok {
		return r
	}
	return p.Pool.SendBatch(ctx, b)
}

func one(sql string, args []any) *ask {
	b := &pgx.Batch{}
	b.Queue(sql, args...)
	return &ask{batch: b}
}

// memberTx is what a member sees of the shared transaction.
type memberTx struct {
	noTx
	c *convoy
	t *shared
}

var errNotHere = errors.New("pg: not in a transaction that is shared")

func (m *memberTx) ask(a *ask) (*buffered, error) {
	m.c.wait(a, func() {
		if m.c.tx != m.t { // disbanded meanwhile
			a.err = errApart
			m.c.busy++
			close(a.done)
			return
		}
		m.t.asks = append(m.t.asks, a)
	})
	return &buffered{c: m.c, results: a.results, err: a.err}, a.err
}

func (m *memberTx) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r, err := m.ask(one(sql, args))
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return r.Exec()
}

func (m *memberTx) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	r, err := m.ask(one(sql, args))
	if err != nil {
		return nil, err
	}
	return r.Query()
}

func (m *memberTx) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	r, _ := m.ask(one(sql, args)) // the row tells the error
	return r.QueryRow()
}

func (m *memberTx) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	r, _ := m.ask(&ask{batch: b}) // its results tell the error
	return r
}

// noTx is what cannot be asked of a transaction that many share; it makes the
// transaction fail, so that each member's part is done alone.
type noTx struct{}

func (noTx) Begin(context.Context) (pgx.Tx, error) { return nil, errNotHere }
func (noTx) Commit(context.Context) error          { return errNotHere }
func (noTx) Rollback(context.Context) error        { return errNotHere }
func (noTx) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }
func (noTx) Conn() *pgx.Conn                       { return nil }
func (noTx) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNotHere
}

func (noTx) Prepare(context.Context, string, string) (*pgconn.StatementDescription, error) {
	return nil, errNotHere
}

// Claim makes sure that of those who share a transaction only one works on what
// key stands for: a row's lock keeps others out, but not those. Call it beside
// what locks. The others are then carried out apart, and wait for the lock.
func Claim(db DB, key any) error {
	m, ok := db.(*memberTx)
	if !ok {
		return nil
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if by := m.t.claims[key]; by != nil && by != m {
		m.t.failed = true
		return errApart
	}
	if m.t.claims == nil {
		m.t.claims = map[any]*memberTx{}
	}
	m.t.claims[key] = m
	return nil
}

func (m *memberTx) later(l lateness, v any) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.t.later.add(l, v)
}

// outcome is what one statement came back with.
type outcome struct {
	fields []pgconn.FieldDescription
	rows   [][][]byte
	tag    pgconn.CommandTag
}

func (o *outcome) read(sent pgx.BatchResults) error {
	rows, err := sent.Query()
	if err != nil {
		return err
	}
	o.fields = slices.Clone(rows.FieldDescriptions())
	for rows.Next() {
		o.rows = append(o.rows, keep(rows.RawValues()))
	}
	o.tag = rows.CommandTag()
	return rows.Err()
}

// keep copies the values of a row, which are the connection's, into one piece.
func keep(raw [][]byte) [][]byte {
	size := 0
	for _, v := range raw {
		size += len(v)
	}
	row, all := make([][]byte, len(raw)), make([]byte, 0, size)
	for i, v := range raw {
		if v != nil { // NULL
			from := len(all)
			all = append(all, v...)
			row[i] = all[from:len(all):len(all)]
		}
	}
	return row
}

// buffered gives out results that are here already.
type buffered struct {
	c       *convoy
	results []outcome
	err     error
}

func (b *buffered) next() (*read, error) {
	if b.err != nil {
		return &read{err: b.err}, b.err
	}
	if len(b.results) == 0 {
		err := errors.New("pg: no result")
		return &read{err: err}, err
	}
	r := &read{c: b.c, of: &b.results[0], at: -1}
	b.results = b.results[1:]
	return r, nil
}

func (b *buffered) Exec() (pgconn.CommandTag, error) {
	r, err := b.next()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return r.of.tag, nil
}

func (b *buffered) Query() (pgx.Rows, error) { return b.next() }

func (b *buffered) QueryRow() pgx.Row {
	r, _ := b.next() // the row tells the error
	return (*readOne)(r)
}

func (b *buffered) Close() error { return b.err }
func (b *buffered) Tx() pgx.Tx   { return nil }

// read are the rows of one result.
type read struct {
	c   *convoy
	of  *outcome
	at  int
	err error
}

func (r *read) Close()                        {}
func (r *read) Err() error                    { return r.err }
func (r *read) Conn() *pgx.Conn               { return nil }
func (r *read) TypeMap() *pgtype.Map          { return nil } // it is not one member's alone
func (r *read) CommandTag() pgconn.CommandTag { return r.of.tag }

func (r *read) FieldDescriptions() []pgconn.FieldDescription {
	if r.of == nil {
		return nil
	}
	return r.of.fields
}

func (r *read) Next() bool {
	if r.err != nil || r.at+1 >= len(r.of.rows) {
		return false
	}
	r.at++
	return true
}

func (r *read) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			return s.ScanRow(r)
		}
	}
	r.c.scanning.Lock()
	defer r.c.scanning.Unlock()
	if err := pgx.ScanRow(r.c.types, r.of.fields, r.of.rows[r.at], dest...); err != nil {
		r.err = err
		return err
	}
	return nil
}

func (r *read) RawValues() [][]byte { return r.of.rows[r.at] }

func (r *read) Values() ([]any, error) {
	r.c.scanning.Lock()
	defer r.c.scanning.Unlock()
	values := make([]any, len(r.of.fields))
	for i, f := range r.of.fields {
		raw := r.of.rows[r.at][i]
		if raw == nil {
			continue
		}
		t, known := r.c.types.TypeForOID(f.DataTypeOID)
		if !known {
			t, _ = r.c.types.TypeForOID(pgtype.TextOID)
		}
		v, err := t.Codec.DecodeValue(r.c.types, f.DataTypeOID, f.Format, raw)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// readOne is the first row alone.
type readOne read

func (r *readOne) Scan(dest ...any) error {
	rows := (*read)(r)
	if rows.err != nil {
		return rows.err
	}
	if !rows.Next() {
		return pgx.ErrNoRows
	}
	return rows.Scan(dest...)
}
