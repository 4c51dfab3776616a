package ledger_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 123_456_789, time.UTC)

func write(t *testing.T, pool *pgxpool.Pool, entries ...ledger.Entry) {
	t.Helper()
	err := pg.InTx(t.Context(), pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		for _, e := range entries {
			if err := ledger.Write(t.Context(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("expected the entries to be written, got %v", err)
	}
}

func seal(t *testing.T, pool *pgxpool.Pool, limit int) int {
	t.Helper()
	n, err := ledger.Seal(t.Context(), pool, limit)
	if err != nil {
		t.Fatalf("expected the sealer to work, got %v", err)
	}
	return n
}

func verify(t *testing.T, pool *pgxpool.Pool) ledger.Verification {
	t.Helper()
	v, err := ledger.Verify(t.Context(), pool)
	if err != nil {
		t.Fatalf("expected the ledger to be read, got %v", err)
	}
	return v
}

func entry(i int) ledger.Entry {
	return ledger.Entry{Type: "step.erased", At: noon.Add(time.Duration(i) * time.Second), RequestID: int64(i%3 + 1), Actor: "system",
		Data: map[string]any{"rows": i, "source": "livechat"}}
}

func sealedLedger(t *testing.T, n int) *pgxpool.Pool {
	t.Helper()
	pool := pgtest.Control(t)
	entries := make([]ledger.Entry, n)
	for i := range entries {
		entries[i] = entry(i)
	}
	write(t, pool, entries...)
	if got := seal(t, pool, n); got != n {
		t.Fatalf("expected %d entries to be sealed, got %d", n, got)
	}
	return pool
}

func TestWriteSealVerify(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	if v := verify(t, pool); v.Sealed != 0 || v.BrokenAt != 0 || v.Head != nil {
		t.Errorf("expected an empty ledger to be whole, got %+v", v)
	}
	if n := seal(t, pool, 10); n != 0 {
		t.Errorf("expected nothing to seal, got %d", n)
	}
	for i := range 5 {
		write(t, pool, entry(i))
	}
	if v := verify(t, pool); v.Unsealed != 5 || v.Sealed != 0 {
		t.Errorf("expected five entries that are not sealed yet, got %+v", v)
	}
	if n := seal(t, pool, 3); n != 3 {
		t.Errorf("expected a batch of three, got %d", n)
	}
	first := verify(t, pool)
	if first.Sealed != 3 || first.Unsealed != 2 || first.BrokenAt != 0 || first.Missing != 0 || len(first.Head) != 32 {
		t.Errorf("expected three sealed entries of five and a head, got %+v", first)
	}
	if n := seal(t, pool, 3); n != 2 {
		t.Errorf("expected the rest, two, got %d", n)
	}
	whole := verify(t, pool)
	if whole.Sealed != 5 || whole.Unsealed != 0 || whole.BrokenAt != 0 || cmp.Equal(whole.Head, first.Head) {
		t.Errorf("expected five sealed entries and another head, got %+v", whole)
	}
}

func TestTheHashIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	write(t, pool, ledger.Entry{Type: "a.b", At: noon, RequestID: 12, Actor: "staff:7",
		Data: map[string]any{"z": 1, "a": map[string]any{"y": "<é&>", "x": []int{1, 2}}, "n": 9007199254740993}})
	seal(t, pool, 1)
	canonical := `{"actor":"staff:7","at":"2026-11-01T12:00:00.123456Z","data":{"a":{"x":[1,2],"y":"<é&>"},"n":9007199254740993,"z":1},"id":1,"request_id":12,"seq":1,"type":"a.b"}`
	want := sha256.Sum256(append(make([]byte, 32), canonical...))
	if got := verify(t, pool); got.BrokenAt != 0 || hex.EncodeToString(got.Head) != hex.EncodeToString(want[:]) {
		t.Errorf("expected SHA-256 over 32 zeros and %s, got %x", canonical, got.Head)
	}
}

func TestAnyJSONVerifies(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	write(t, pool,
		ledger.Entry{Type: "a", At: noon, Actor: "system"},
		ledger.Entry{Type: "b", At: noon, Actor: "system", Data: map[string]any{"float": 1.5e-9, "big": uint64(1<<63 + 1), "null": nil, "yes": true, "": ""}},
		ledger.Entry{Type: "c", At: noon.In(time.FixedZone("", 7200)), Actor: "system", Data: map[string]any{"e": 1e21, "text": "\u2028\"\\\n😀"}})
	pgtest.Exec(t, pool, `INSERT INTO lethe.ledger (type, at, actor, data) VALUES ('d', now(), 'system', '{"b":1.50,"a":1e3,"a":2,"c":-0}')`)
	seal(t, pool, 10)
	if v := verify(t, pool); v.Sealed != 4 || v.BrokenAt != 0 {
		t.Errorf("expected all to verify, got %+v", v)
	}
}

// unlocked is what an owner of the tables can do.
const unlocked = `ALTER TABLE lethe.ledger DISABLE TRIGGER ledger_append_only; ALTER TABLE lethe.ledger_seals DISABLE TRIGGER ledger_append_only; ALTER TABLE lethe.ledger_unsealed DISABLE TRIGGER USER; `

func TestChangesAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql                               string
		broken, missing, sealed, unsealed int64
	}{
		"another number of rows":      {`UPDATE lethe.ledger SET data = jsonb_set(data, '{rows}', '99') WHERE id = 4`, 4, 0, 10, 0},
		"another time":                {`UPDATE lethe.ledger SET at = at + interval '1 microsecond' WHERE id = 4`, 4, 0, 10, 0},
		"another request":             {`UPDATE lethe.ledger SET request_id = NULL WHERE id = 4`, 4, 0, 10, 0},
		"another actor":               {`UPDATE lethe.ledger SET actor = 'subject' WHERE id = 1`, 1, 0, 10, 0},
		"another type":                {`UPDATE lethe.ledger SET type = 'step.found' WHERE id = 10`, 10, 0, 10, 0},
		"another hash":                {`UPDATE lethe.ledger_seals SET hash = sha256('x') WHERE seq = 4`, 4, 0, 10, 0},
		"another entry":               {`UPDATE lethe.ledger_seals SET entry = 99 WHERE seq = 4`, 4, 1, 9, 1},
		"an entry taken out":          {`DELETE FROM lethe.ledger WHERE id = 4`, 4, 1, 9, 0},
		"a seal taken out":            {`DELETE FROM lethe.ledger_seals WHERE seq = 4`, 5, 1, 9, 1},
		"both taken out":              {`DELETE FROM lethe.ledger WHERE id = 4; DELETE FROM lethe.ledger_seals WHERE seq = 4`, 5, 1, 9, 0},
		"the first taken out":         {`DELETE FROM lethe.ledger WHERE id <= 2; DELETE FROM lethe.ledger_seals WHERE seq <= 2`, 3, 2, 8, 0},
		"two gaps":                    {`DELETE FROM lethe.ledger_seals WHERE seq IN (4, 8)`, 5, 2, 8, 2},
		"taken out and closed up":     {`DELETE FROM lethe.ledger WHERE id = 3; DELETE FROM lethe.ledger_seals WHERE seq = 3; UPDATE lethe.ledger_seals SET seq = 3 WHERE seq = 4; UPDATE lethe.ledger_seals SET seq = 4 WHERE seq = 5`, 3, 1, 9, 0},
		"two exchanged":               {`UPDATE lethe.ledger_seals SET seq = 100 WHERE seq = 4; UPDATE lethe.ledger_seals SET seq = 4 WHERE seq = 5; UPDATE lethe.ledger_seals SET seq = 5 WHERE seq = 100`, 4, 0, 10, 0},
		"one put in before the first": {`INSERT INTO lethe.ledger_seals VALUES (0, 11, sha256('x')); INSERT INTO lethe.ledger (type, at, actor, data) VALUES ('x', now(), 'system', '{}')`, 1, 0, 11, 0},
		"one put in at the end":       {`INSERT INTO lethe.ledger_seals VALUES (11, 11, sha256('x')); INSERT INTO lethe.ledger (type, at, actor, data) VALUES ('x', now(), 'system', '{}')`, 11, 0, 11, 0},
		"one kept from being sealed":  {`INSERT INTO lethe.ledger (type, at, actor, data) VALUES ('x', now(), 'system', '{}'); DELETE FROM lethe.ledger_unsealed`, 0, 0, 10, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := sealedLedger(t, 10)
			pgtest.Exec(t, pool, unlocked+c.sql)
			v := verify(t, pool)
			if v.BrokenAt != c.broken || v.Missing != c.missing || v.Sealed != c.sealed || v.Unsealed != c.unsealed {
				t.Errorf("expected a break at %d, %d missing, %d sealed and %d not, got %+v", c.broken, c.missing, c.sealed, c.unsealed, v)
			}
		})
	}
}

func TestACutOffEndShowsAgainstAnEarlierHead(t *testing.T) {
	t.Parallel()
	pool := sealedLedger(t, 10)
	before := verify(t, pool)
	pgtest.Exec(t, pool, unlocked+`DELETE FROM lethe.ledger WHERE id > 8; DELETE FROM lethe.ledger_seals WHERE seq > 8`)
	after := verify(t, pool)
	if after.Sealed != 8 || cmp.Equal(before.Head, after.Head) {
		t.Errorf("expected another head than the one kept, got the same after %d entries", after.Sealed)
	}
	// Work goes on, and the numbers grow past the cut.
	write(t, pool, entry(11), entry(12), entry(13))
	seal(t, pool, 10)
	whole := verify(t, pool)
	if whole.Sealed != 11 || whole.BrokenAt != 0 || whole.Missing != 0 {
		t.Errorf("expected a chain that is whole by itself, got %+v", whole)
	}
	for name, c := range map[string]struct {
		head []byte
		seq  int64
	}{"cut off": {before.Head, 0}, "older": {after.Head, 8}, "newest": {whole.Head, 11}} {
		if seq, err := ledger.Find(t.Context(), pool, c.head); err != nil || seq != c.seq {
			t.Errorf("expected the %s head at %d, got %d, %v", name, c.seq, seq, err)
		}
	}
}

func TestTheTableRefusesChanges(t *testing.T) {
	t.Parallel()
	pool := sealedLedger(t, 2)
	write(t, pool, entry(3))
	for name, sql := range map[string]string{
		"a sealed entry's deletion":   `DELETE FROM lethe.ledger WHERE id = 1`,
		"an unsealed one's deletion":  `DELETE FROM lethe.ledger WHERE id = 3`,
		"a sealed entry's change":     `UPDATE lethe.ledger SET actor = 'subject' WHERE id = 1`,
		"an unsealed one's change":    `UPDATE lethe.ledger SET data = '{}' WHERE id = 3`,
		"the unsealing of an entry":   `DELETE FROM lethe.ledger_seals WHERE seq = 2`,
		"another hash":                `UPDATE lethe.ledger_seals SET hash = 'x' WHERE seq = 2`,
		"another number of the entry": `UPDATE lethe.ledger_seals SET seq = 9 WHERE seq = 2`,
		"an emptied list":             `TRUNCATE lethe.ledger_unsealed`,
		"a shorter list":              `DELETE FROM lethe.ledger_unsealed`,
		"a changed list":              `UPDATE lethe.ledger_unsealed SET entries = '{}'`,
		"an emptied ledger":           `TRUNCATE lethe.ledger`,
		"a ledger without its seals":  `TRUNCATE lethe.ledger_seals`,
	} {
		if _, err := pool.Exec(t.Context(), sql); pg.Code(err) != "55000" {
			t.Errorf("expected %s to be refused, got %v", name, err)
		}
	}
}

func TestALargeStatementIsSealedInParts(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	pgtest.Exec(t, pool, `INSERT INTO lethe.ledger (type, at, actor, data) SELECT 'x', now(), 'system', '{}' FROM generate_series(1, 2500)`)
	write(t, pool, entry(1))
	for i, want := range []int{1000, 1000, 501, 0} {
		if n := seal(t, pool, 1000); n != want {
			t.Errorf("expected %d entries in part %d, got %d", want, i+1, n)
		}
	}
	if v := verify(t, pool); v.Sealed != 2501 || v.Unsealed != 0 || v.BrokenAt != 0 || v.Missing != 0 {
		t.Errorf("expected all in one chain, got %+v", v)
	}
}

// TestRestoredEntriesAreNotSealedTwice: where a backup is read in with triggers
// on, sealed entries are listed again; those below them that were taken out stay away.
func TestRestoredEntriesAreNotSealedTwice(t *testing.T) {
	t.Parallel()
	pool := sealedLedger(t, 3)
	pgtest.Exec(t, pool, `INSERT INTO lethe.ledger_unsealed VALUES (1, '{1,2,3,99}')`)
	write(t, pool, entry(4))
	if n := seal(t, pool, 10); n != 1 {
		t.Errorf("expected the new entry alone to be sealed, got %d", n)
	}
	if v := verify(t, pool); v.Sealed != 4 || v.Unsealed != 0 || v.BrokenAt != 0 || v.Missing != 0 {
		t.Errorf("expected four entries in one chain, got %+v", v)
	}
	if n := seal(t, pool, 10); n != 0 {
		t.Errorf("expected nothing to be left, got %d", n)
	}
}

func TestConcurrentWritersAndSealers(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	ctx := t.Context()
	const writers, each = 4, 40
	var working, sealing sync.WaitGroup
	errs := make(chan error, writers+2)
	for w := range writers {
		working.Go(func() {
			for i := range each {
				err := pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
					if err := ledger.Write(ctx, tx, entry(w*each+i)); err != nil {
						return err
					}
					if i%8 == 7 {
						return errRollback
					}
					return nil
				})
				if err != nil && !errors.Is(err, errRollback) {
					errs <- err
					return
				}
			}
		})
	}
	done := make(chan struct{})
	for range 2 {
		sealing.Go(func() {
			for {
				n, err := ledger.Seal(ctx, pool, 7)
				if err != nil {
					errs <- err
					return
				}
				select {
				case <-done:
					if n == 0 {
						return
					}
				default:
				}
			}
		})
	}
	working.Wait()
	close(done)
	sealing.Wait()
	close(errs)
	for err := range errs {
		t.Errorf("expected writers and sealers not to disturb each other, got %v", err)
	}
	for seal(t, pool, 1000) > 0 { // a sealer that lost its turn at the end left the rest
	}
	const want = writers * each * 7 / 8
	if v := verify(t, pool); v.Sealed != want || v.Unsealed != 0 || v.BrokenAt != 0 || v.Missing != 0 {
		t.Errorf("expected %d entries in one chain, got %+v", want, v)
	}
}

var errRollback = errors.New("rolled back on purpose")

func TestALateCommitIsSealedLater(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	ctx := t.Context()
	late, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Rollback(ctx) }()
	if err := ledger.Write(ctx, late, entry(1)); err != nil { // the lower id
		t.Fatal(err)
	}
	write(t, pool, entry(2))
	if n := seal(t, pool, 10); n != 1 {
		t.Fatalf("expected only the committed entry to be sealed, got %d", n)
	}
	if err := late.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if n := seal(t, pool, 10); n != 1 {
		t.Fatalf("expected the late one next, got %d", n)
	}
	if v := verify(t, pool); v.BrokenAt != 0 || v.Missing != 0 || v.Sealed != 2 {
		t.Errorf("expected a whole chain, got %+v", v)
	}
	list, err := ledger.List(ctx, pool, 0, 0)
	if err != nil || len(list) != 2 || list[0].ID < list[1].ID {
		t.Errorf("expected the order of sealing, got %+v, %v", list, err)
	}
}

func TestAnotherSealersTurn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	write(t, pool, entry(1))
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(x'6c6564676572'::bigint)`); err != nil {
		t.Fatal(err)
	}
	if n := seal(t, pool, 10); n != 0 {
		t.Errorf("expected nothing to be sealed while another has the lock, got %d", n)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	pool := sealedLedger(t, 6)
	write(t, pool, entry(6), entry(7))
	list := func(request int64, limit int) []ledger.Entry {
		l, err := ledger.List(t.Context(), pool, request, limit)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	rows := func(l []ledger.Entry) (r []int64) {
		for _, e := range l {
			r = append(r, e.Data["rows"].(int64))
		}
		return r
	}
	for name, c := range map[string]struct {
		request int64
		limit   int
		want    []int64
	}{
		"all, newest last":          {0, 0, []int64{0, 1, 2, 3, 4, 5, 6, 7}},
		"the newest three":          {0, 3, []int64{5, 6, 7}},
		"of one request":            {2, 0, []int64{1, 4, 7}},
		"the newest of one request": {2, 2, []int64{4, 7}},
		"of none":                   {99, 5, nil},
	} {
		if diff := cmp.Diff(c.want, rows(list(c.request, c.limit))); diff != "" {
			t.Errorf("%s: (-expected +got)\n%s", name, diff)
		}
	}
	want := ledger.Entry{ID: 2, Seq: 2, Type: "step.erased", At: noon.Add(time.Second).Truncate(time.Microsecond), RequestID: 2, Actor: "system",
		Data: map[string]any{"rows": int64(1), "source": "livechat"}}
	if diff := cmp.Diff(want, list(2, 0)[0]); diff != "" {
		t.Errorf("expected the entry as it was written: %s", diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	for name, e := range map[string]ledger.Entry{
		"no type":     {At: noon, Actor: "system"},
		"no time":     {Type: "a", Actor: "system"},
		"no actor":    {Type: "a", At: noon},
		"an address":  {Type: "a", At: noon, Actor: "eva@example.org"},
		"a name":      {Type: "a", At: noon, Actor: "Eva Horn"},
		"no JSON":     {Type: "a", At: noon, Actor: "system", Data: map[string]any{"f": func() {}, "secret": "eva@example.org"}},
		"a zero byte": {Type: "a", At: noon, Actor: "system", Data: map[string]any{"secret": "eva@example.org\x00"}},
	} {
		err := pg.InTx(t.Context(), pool, pgx.TxOptions{}, func(tx pgx.Tx) error { return ledger.Write(t.Context(), tx, e) })
		if err == nil {
			t.Errorf("%s: expected a refusal", name)
		} else if strings.Contains(strings.ToLower(err.Error()), "eva") {
			t.Errorf("%s: expected the error to hold no contents, got %q", name, err)
		}
	}
}
