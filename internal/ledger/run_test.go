package ledger

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestRunSealsEachTickAndSaysOnceThatItFails(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	tick := make(chan time.Time)
	done := make(chan struct{})
	go func() {
		run(ctx, pool, slog.New(slog.NewTextHandler(&log, nil)), tick)
		close(done)
	}()
	// A tick is taken only when the turn before is over.
	step := func() { tick <- time.Time{} }
	step()
	step()
	err := pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return Write(ctx, tx, Entry{Type: "a", At: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Actor: "system"})
	})
	if err != nil {
		t.Fatal(err)
	}
	step()
	step()
	if v, err := Verify(ctx, pool); err != nil || v.Sealed != 1 {
		t.Errorf("expected the entry to be sealed by the next tick, got %+v, %v", v, err)
	}
	pgtest.Exec(t, pool, `ALTER TABLE lethe.ledger_unsealed RENAME TO away`)
	for range 4 {
		step()
	}
	pgtest.Exec(t, pool, `ALTER TABLE lethe.away RENAME TO ledger_unsealed`)
	step()
	step()
	cancel()
	<-done
	if n := strings.Count(log.String(), "sealing fails"); n != 1 {
		t.Errorf("expected one line for one failure, got %d:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "sealing works again") || !strings.Contains(log.String(), "42P01") {
		t.Errorf("expected the SQLSTATE and the end of the failure in the log, got:\n%s", log.String())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log bytes.Buffer
	Run(ctx, pool, slog.New(slog.NewTextHandler(&log, nil)))
	if log.Len() > 0 {
		t.Errorf("expected a stop not to be logged as a failure, got %s", log.String())
	}
}
