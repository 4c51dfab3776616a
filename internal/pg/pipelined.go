package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A pipelined transaction begins with its first statements and commits with its
// last ones, in the same round trips.
type pipelined struct {
	noTx
	conn  *pgx.Conn
	begun bool
}

// A row that somebody else has locked must not keep all members waiting, who hold
// locks of their own meanwhile: after a moment each goes alone, and who has to
// wait does so by itself.
var beginning = [...]string{"BEGIN", "SET LOCAL lock_timeout = 1000"}

// SendBatch sends statements, at first with those that begin the transaction.
func (p *pipelined) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if p.begun {
		return p.conn.SendBatch(ctx, b)
	}
	p.begun = true
	all := &pgx.Batch{}
	for _, sql := range beginning {
		all.Queue(sql)
	}
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	sent := p.conn.SendBatch(ctx, all)
	for range beginning {
		_, _ = sent.Exec() // what goes wrong comes back for the next one, too
	}
	return sent
}

// commit sends the last statements and commits. undone: the error is the
// database's answer to one of them, so nothing was committed; of any other error
// nobody can say whether it was.
func (p *pipelined) commit(ctx context.Context, last *pgx.Batch) (undone bool, err error) {
	if !p.begun && last.Len() == 0 {
		return false, nil
	}
	statements := last.Len()
	last.Queue("COMMIT")
	sent := p.SendBatch(ctx, last)
	for range statements {
		if _, err := sent.Exec(); err != nil {
			_ = sent.Close()
			var answer *pgconn.PgError
			return errors.As(err, &answer), err
		}
	}
	tag, err := sent.Exec()
	if closed := sent.Close(); err == nil {
		err = closed
	}
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	return false, err
}

// begin is for a statement that is sent by itself.
func (p *pipelined) begin(ctx context.Context) error {
	if p.begun {
		return nil
	}
	return p.SendBatch(ctx, &pgx.Batch{}).Close()
}

func (p *pipelined) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := p.begin(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return p.conn.Exec(ctx, sql, args...)
}

func (p *pipelined) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	return p.conn.Query(ctx, sql, args...)
}

func (p *pipelined) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := p.begin(ctx); err != nil {
		return single{err: err}
	}
	return p.conn.QueryRow(ctx, sql, args...)
}

// Rollback is safe when nothing was begun, and after a commit.
func (p *pipelined) Rollback(ctx context.Context) error {
	if !p.begun || p.conn.IsClosed() || p.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := p.conn.Exec(ctx, "ROLLBACK")
	return err
}

// Conn is the one that is used.
func (p *pipelined) Conn() *pgx.Conn { return p.conn }
