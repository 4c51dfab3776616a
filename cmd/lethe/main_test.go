package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// asCommand makes the test binary behave as lethe itself, for tests with real processes.
const asCommand = "LETHE_TEST_COMMAND"

func TestMain(m *testing.M) {
	switch os.Getenv(asCommand) {
	case "":
	case asShell:
		serveShell()
		return
	default:
		main()
		return
	}
	flag.Parse()
	if n := flag.Lookup("test.parallel"); n.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		// Tests here wait for most of their time: for processes, for mails that a
		// server put off, for jobs to be rescued. On two cores, two at once would idle.
		_ = flag.Set("test.parallel", strconv.Itoa(max(6, runtime.GOMAXPROCS(0))))
	}
	pgtest.Main(m)
}

// commandEnv makes the test binary behave as lethe. The race detector sleeps a
// second before each process ends unless told otherwise.
func commandEnv() []string {
	return []string{asCommand + "=1", "GORACE=" + strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=20")}
}

// stage is a shop, a mailbox and a configuration, as processes see them.
type stage struct {
	dir  string
	env  []string
	box  *mailbox.Mailbox
	shop *pgxpool.Pool
}

// setStage makes one of the vendor's rows. The control database is migrated already.
func setStage(t testing.TB) *stage {
	t.Helper()
	dir := realRows(t)
	return setStageWith(t, mailbox.Options{}, func(ctx context.Context, shop *pgxpool.Pool) error {
		return sample.LoadCSV(ctx, shop, dir)
	})
}

// setStageWith makes one with a mailbox and rows of the test's own.
func setStageWith(t testing.TB, o mailbox.Options, fill func(context.Context, *pgxpool.Pool) error) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir()}
	var err error
	if s.box, err = mailbox.StartWith("127.0.0.1:0", o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.box.Close() })
	shop := pgtest.Empty(t)
	s.shop = shop
	pgtest.Exec(t, shop, livechat.Schema)
	if err := fill(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if _, err := sample.WriteFiles(t.Context(), shop, filepath.Join(s.dir, "attachments")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"lethe.yaml": livechat.Config, "datamap.yaml": livechat.Datamap, "retention.yaml": livechat.Retention} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(s.dir, "lethe.key")
	if _, err := keys.Create(key); err != nil {
		t.Fatal(err)
	}
	s.env = append(commandEnv(), []string{
		"LETHE_CONFIG=" + filepath.Join(s.dir, "lethe.yaml"),
		"LETHE_DATABASE=" + pgtest.URL(pgtest.Control(t)), "SHOP_DATABASE=" + pgtest.URL(shop),
		"SHOP_FILES=file://" + filepath.Join(s.dir, "attachments"),
		"MAIL_URL=smtp://" + s.box.SMTPAddr(), "STORAGE=file://" + filepath.Join(s.dir, "archives"), "KEY_FILE=" + key,
		"LISTEN=127.0.0.1:0", "PUBLIC_URL=http://localhost:8080",
	}...)
	return s
}

// realRows is the folder of the vendor's CSV files; tests on them are skipped
// where the project stands alone.
func realRows(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", "livechat")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the live-chat rows are not beside the project")
	}
	return dir
}
