package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/wneessen/go-mail"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/migrations"
)

// The skeleton is what anyone has to pay who answers requests by this queue: a
// row, three jobs in a row that do nothing but insert the next one, and a mail.
// It is written plainly, a statement after the other, as River's and go-mail's
// own documentation shows it, on the product's database, queue settings, number
// of workers and mail server. It knows nothing of identities, walks, evidence,
// encryption, approval or retries.

// skeletonJob is one of the three.
type skeletonJob struct {
	Request int64 `json:"request"`
	Stage   int   `json:"stage"`
}

func (skeletonJob) Kind() string { return "skeleton" }

type skeletonWorker struct {
	river.WorkerDefaults[skeletonJob]
	pool *pgxpool.Pool
	smtp *url.URL
	done *atomic.Int64
}

const skeletonStages = 3

// Work notes the stage and inserts the next job; after the last one it sends a mail.
func (w *skeletonWorker) Work(ctx context.Context, job *river.Job[skeletonJob]) error {
	last := job.Args.Stage == skeletonStages
	err := pg.InTx(ctx, w.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE skeleton SET stage = $1 WHERE id = $2`, job.Args.Stage, job.Args.Request); err != nil || last {
			return err
		}
		_, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, skeletonJob{Request: job.Args.Request, Stage: job.Args.Stage + 1}, nil)
		return err
	})
	if err != nil || !last {
		return err
	}
	if err := w.mail(ctx, job.Args.Request); err != nil {
		return err
	}
	if _, err := w.pool.Exec(ctx, `UPDATE skeleton SET fulfilled_at = now() WHERE id = $1`, job.Args.Request); err != nil {
		return err
	}
	w.done.Add(1)
	return nil
}

// mail sends one on a connection of its own.
func (w *skeletonWorker) mail(ctx context.Context, id int64) error {
	host, p, err := net.SplitHostPort(w.smtp.Host)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(host, mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS))
	if err != nil {
		return err
	}
	msg := mail.NewMsg()
	if err := msg.From("privacy@example.com"); err != nil {
		return err
	}
	if err := msg.To(fmt.Sprintf("person%d@example.com", id)); err != nil {
		return err
	}
	msg.Subject("Your request")
	msg.SetBodyString(mail.TypeTextPlain, "Your request has been carried out.\n")
	return client.DialAndSendWithContext(ctx, msg)
}

// skeleton takes n requests in, lets the workers begin, and waits for the end of
// the last one, as requests does with the product.
func (t *track) skeleton(b *testing.B, n int) (perSecond float64) {
	b.Helper()
	t.round(b, func(r product) {
		ctx, pool := b.Context(), r.app.pool
		smtp, err := url.Parse(r.app.cfg.Mail.URL)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pool.Exec(ctx, `CREATE TABLE skeleton (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, stage int NOT NULL DEFAULT 0, fulfilled_at timestamptz)`); err != nil {
			b.Fatal(err)
		}
		t.bare(b, r, smtp, warming)
		perSecond = float64(n) / t.bare(b, r, smtp, n).Seconds()
	})
	return perSecond
}

// bare carries out n requests.
func (t *track) bare(b *testing.B, r product, smtp *url.URL, n int) (took time.Duration) {
	b.Helper()
	ctx, pool := b.Context(), r.app.pool
	var done atomic.Int64
	workers := river.NewWorkers()
	river.AddWorker(workers, &skeletonWorker{pool: pool, smtp: smtp, done: &done})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: migrations.Schema, Logger: r.app.log, Workers: workers,
		FetchCooldown: time.Millisecond, FetchPollInterval: 200 * time.Millisecond, // as package jobs has them
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: max(8, r.app.cfg.Work.Concurrency)}},
	})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	each(b, 4, n, func(i int) error {
		return pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			var id int64
			if err := tx.QueryRow(ctx, `INSERT INTO skeleton (email) VALUES ($1) RETURNING id`, t.people[i].Email).Scan(&id); err != nil {
				return err
			}
			_, err := client.InsertTx(ctx, tx, skeletonJob{Request: id, Stage: 1}, nil)
			return err
		})
	})
	if err := client.Start(ctx); err != nil {
		b.Fatal(err)
	}
	poll(b, func() (bool, error) { return done.Load() == int64(n), nil })
	took = time.Since(began)
	if err := client.Stop(context.WithoutCancel(ctx)); err != nil {
		b.Fatal(err)
	}
	return took
}
