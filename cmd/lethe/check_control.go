package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/migrations"
)

// errNoChanges is a control database in which nothing can be noted.
var errNoChanges = errors.New("it takes no changes: its server is a standby, or is kept from them (default_transaction_read_only)")

// control tries the control database, and whether the keys, if they could be
// read, are those with which it has been used.
func (c *checker) control(ctx context.Context, now func() time.Time, cfg *config.Config, set *keys.Set, keyErr error) error {
	pool, err := openControl(ctx, cfg, 2)
	if err != nil {
		c.check("control database", err, "", "look at database: in the configuration")
		return keyErr
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err = migrations.Check(ctx, pool); err == nil {
		err = takesChanges(ctx, pool)
	}
	if !c.check("control database", err, "answers, and its schema is this version's", controlAdvice(err, cfg)) || keyErr != nil {
		return keyErr
	}
	if err := c.clocks(ctx, now, pool); err != nil {
		c.check("control database", err, "", controlAdvice(err, cfg))
	}
	return dsar.CheckKeys(ctx, pool, set)
}

// clocksApart is how far two clocks may be apart before it is told: jobs rest for
// seconds at first, and count as stuck after minutes.
const clocksApart = 30 * time.Second

// clocks compares this machine's clock, by which deadlines, links and retries go,
// with that of the control database, by which work is due.
func (c *checker) clocks(ctx context.Context, now func() time.Time, pool *pgxpool.Pool) error {
	var theirs time.Time
	if err := pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&theirs); err != nil {
		return fmt.Errorf("ask for the database's time: %w", pg.Clean(err))
	}
	if apart := now().Sub(theirs); apart.Abs() > clocksApart {
		c.say(doubtful, "control database", fmt.Sprintf("its server's clock and this machine's are %s apart: work may rest for too long or be taken for stuck, and deadlines and links go by this machine's", apart.Abs().Round(time.Second)),
			"have both keep the time (NTP)")
	}
	return nil
}

// takesChanges asks a new connection, as every transaction would be.
func takesChanges(ctx context.Context, pool *pgxpool.Pool) error {
	var readOnly bool
	if err := pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::bool`).Scan(&readOnly); err != nil {
		return fmt.Errorf("ask whether the database takes changes: %w", pg.Clean(err))
	}
	if readOnly {
		return errNoChanges
	}
	return nil
}

// controlAdvice is what to do about err.
func controlAdvice(err error, cfg *config.Config) string {
	switch {
	case errors.Is(err, migrations.ErrOlder):
		return "lethe migrate brings the schema up to date"
	case errors.Is(err, migrations.ErrNewer):
		return "install the newer lethe here, too"
	case errors.Is(err, migrations.ErrOther):
		return "run the build that made it, or make it anew"
	case errors.Is(err, migrations.ErrEncoding):
		return "make it anew in UTF8"
	case errors.Is(err, errNoChanges):
		return "let database: name the primary (several hosts with target_session_attrs=read-write find it after a failover), or take the setting from the role"
	case pg.Code(err) == "53300":
		return fmt.Sprintf("each process of lethe opens up to %d connections: raise max_connections or the role's CONNECTION LIMIT, or set work: {concurrency: …}", controlConns(cfg))
	}
	return "look at database: in the configuration, and whether its server runs"
}
