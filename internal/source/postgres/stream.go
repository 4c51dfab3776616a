package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// A stream is a result that is read at the reader's own pace. statement_timeout
// would count also the time that the reader takes over what it was given, which
// is no fault of the database: here the limit is how long it may be silent.
type stream struct {
	pgx.Rows
	ctx    context.Context // of the reading alone
	end    context.CancelCauseFunc
	silent *time.Timer
	limit  time.Duration
}

var errSilent = errors.New("the database has been silent for too long")

// stream runs a statement in the snapshot's transaction. Its result must be closed.
func (n *snapshot) stream(ctx context.Context, st *statement, r *run, how ...any) (*stream, error) {
	if !n.unhurried {
		if _, err := n.tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return nil, err
		}
		n.unhurried = true
	}
	s := &stream{limit: n.s.o.StatementTimeout}
	s.ctx, s.end = context.WithCancelCause(ctx)
	s.silent = time.AfterFunc(s.limit, func() { s.end(errSilent) })
	var err error
	s.Rows, err = n.tx.Query(s.ctx, st.sql, append(how, st.args(r)...)...)
	if err != nil {
		s.silent.Stop()
		s.end(nil)
		return nil, s.told(err)
	}
	return s, nil
}

// Next waits for the next row, as long as the database may be silent.
func (s *stream) Next() bool {
	s.silent.Reset(s.limit)
	defer s.silent.Stop()
	return s.Rows.Next()
}

// Err is what ended the result.
func (s *stream) Err() error { return s.told(s.Rows.Err()) }

// Close ends the reading.
func (s *stream) Close() {
	s.silent.Stop()
	s.Rows.Close()
	s.end(nil)
}

// told gives a silence the code that Postgres would have given it.
func (s *stream) told(err error) error {
	if err != nil && errors.Is(context.Cause(s.ctx), errSilent) {
		return &pg.Error{Code: "57014"}
	}
	return err
}
