package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// An Explained is one statement of a walk: its text, which holds no values, how
// long it took, the rows that it gave to us or changed, and what the planner makes of it.
type Explained struct {
	SQL   string
	Took  time.Duration
	Rows  int64
	Scans []string // tables that the generic plan reads from end to end
	Plan  string   // the kinds of its nodes with their tables and indexes, a line each
}

// Explain carries out Find on a connection of its own and tells of each of its
// statements. Plans are generic ones, made
// without values, as walks use them.
func Explain(ctx context.Context, name, url string, o Options, w source.Walk) (found source.Found, list []Explained, err error) {
	if o.Now == nil {
		return found, nil, errors.New("explain needs a clock")
	}
	opened, err := Open(ctx, name, url, o)
	if err != nil {
		return found, nil, err
	}
	c := opened.pool.Config()
	opened.Close()
	rec := &recorder{now: o.Now}
	c.ConnConfig.Tracer, c.MaxConns, c.MinConns = rec, 1, 0
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return found, nil, fmt.Errorf("source %s: %w", name, pg.Clean(err))
	}
	defer pool.Close()
	s, err := New(name, pool, o)
	if err != nil {
		return found, nil, err
	}
	if found, err = s.Find(ctx, w); err != nil {
		return found, nil, err
	}
	list = rec.stop()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		for i := range list {
			// A plan that cannot be made is said: the walk itself has worked.
			if perr := s.inTx(ctx, conn, reading, func(tx pgx.Tx) error { return list[i].explain(ctx, tx) }); perr != nil {
				list[i].Plan = "no plan: " + pg.Clean(perr).Error() + "\n"
			}
		}
		return nil
	})
	return found, list, s.failed("explain", err)
}

// recorder notes the statements of a walk: not those that read the catalogue, make
// a connection's settings, or begin and end a transaction.
type recorder struct {
	now  func() time.Time
	mu   sync.Mutex
	list []Explained
	done bool
}

type startedQuery struct{}

type started struct {
	sql string
	at  time.Time
}

// TraceQueryStart is pgx.QueryTracer's. The arguments are not looked at.
func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, startedQuery{}, &started{d.SQL, r.now()})
}

// TraceQueryEnd is pgx.QueryTracer's.
func (r *recorder) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	if q, ok := ctx.Value(startedQuery{}).(*started); ok {
		r.note(q, q.sql, d.CommandTag.RowsAffected())
	}
}

// TraceBatchStart is pgx.BatchTracer's.
func (r *recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return context.WithValue(ctx, startedQuery{}, &started{at: r.now()})
}

// TraceBatchQuery is pgx.BatchTracer's. What a pipelined statement took is
// reckoned from the answer before it.
func (r *recorder) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	if q, ok := ctx.Value(startedQuery{}).(*started); ok {
		r.note(q, d.SQL, d.CommandTag.RowsAffected())
	}
}

// TraceBatchEnd is pgx.BatchTracer's.
func (r *recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

var besideTheWalk = regexp.MustCompile(`\b(pg_(class|attribute|index|constraint|trigger|policy|publication)|set_config)\b`)

func (r *recorder) note(q *started, sql string, rows int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	took := now.Sub(q.at)
	q.at = now
	first := strings.ToUpper(strings.TrimLeft(sql, "\n\t ("))
	walks := slices.ContainsFunc([]string{"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}, func(k string) bool { return strings.HasPrefix(first, k) })
	if walks && !r.done && !besideTheWalk.MatchString(sql) {
		r.list = append(r.list, Explained{SQL: sql, Took: took, Rows: rows})
	}
}

func (r *recorder) stop() []Explained {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	return r.list
}

// explain asks for the generic plan.
func (e *Explained) explain(ctx context.Context, tx pgx.Tx) error {
	// NULL for every parameter: the transaction forces generic plans, which look at none.
	execute := "EXECUTE lethe_explain"
	n := 0
	for ; strings.Contains(e.SQL, fmt.Sprintf("$%d", n+1)); n++ {
	}
	if n > 0 {
		execute += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")"
	}
	results, err := tx.Conn().PgConn().Exec(ctx, "PREPARE lethe_explain AS "+e.SQL+"; EXPLAIN (FORMAT JSON) "+execute+"; DEALLOCATE lethe_explain").ReadAll()
	if err != nil {
		return err
	}
	var doc []byte
	for _, r := range results {
		for _, row := range r.Rows {
			doc = append(append(doc, row[0]...), '\n')
		}
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(doc, &plans); err != nil {
		return fmt.Errorf("read a plan: %w", err)
	}
	var b strings.Builder
	for _, p := range plans {
		e.read(&b, p.Plan, "")
	}
	e.Plan = b.String()
	return nil
}

type planNode struct {
	Type  string     `json:"Node Type"`
	Table string     `json:"Relation Name"`
	Index string     `json:"Index Name"`
	Plans []planNode `json:"Plans"`
}

// read tells the nodes that touch tables; the rest of a plan says little.
func (e *Explained) read(b *strings.Builder, n planNode, indent string) {
	if n.Table != "" || n.Index != "" {
		b.WriteString(indent + n.Type)
		if n.Index != "" {
			b.WriteString(" by " + n.Index)
		}
		if n.Table != "" {
			b.WriteString(" of " + n.Table)
		}
		b.WriteString("\n")
		indent += "  "
	}
	if n.Type == "Seq Scan" && !strings.HasPrefix(n.Table, "lethe_") && !slices.Contains(e.Scans, n.Table) {
		e.Scans = append(e.Scans, n.Table)
	}
	for _, child := range n.Plans {
		e.read(b, child, indent)
	}
}
