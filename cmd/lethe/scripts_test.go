package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lethe-dsr/lethe/internal/mailbox"
)

// shopRows is the small shop of the scripts whose names begin with shop-.
//
//go:embed testdata/shop.sql
var shopRows string

// TestScripts runs the command line as a person does; the scripts double as
// documentation. Those whose names begin with shop- have a shop, a mail server
// and a worker beside them.
func TestScripts(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "lethe")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there should be scripts: %v", err)
	}
	isShop := func(file string) bool { return strings.HasPrefix(filepath.Base(file), "shop-") }
	setup := func(e *testscript.Env) {
		e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		for _, pair := range commandEnv() {
			name, value, _ := strings.Cut(pair, "=")
			e.Setenv(name, value)
		}
	}
	for _, file := range slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !isShop(f) }) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := setStageWith(t, mailbox.Options{}, func(ctx context.Context, shop *pgxpool.Pool) error {
				_, err := shop.Exec(ctx, shopRows)
				return err
			})
			log := &safeBuffer{}
			s.start(t, log, "work")
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Cmds:  map[string]func(*testscript.TestScript, bool, []string){"ends": ends, "shop": s.shopCommand},
				Setup: func(e *testscript.Env) error {
					setup(e)
					for _, pair := range s.env {
						name, value, _ := strings.Cut(pair, "=")
						e.Setenv(name, value)
					}
					return nil
				},
			})
			if t.Failed() {
				t.Log(log.String())
			}
		})
	}
	testscript.Run(t, testscript.Params{
		Files: slices.DeleteFunc(files, isShop),
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"ends": ends},
		Setup: func(e *testscript.Env) error { setup(e); return nil },
	})
}

// ends is "ends STATUS COMMAND …": exec with the exit status that is expected.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ends STATUS COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s should end with status %d, it ends with %d", strings.Join(args[1:], " "), want, got)
	}
}

// shopCommand is "shop STATEMENT": something happens in the shop's database.
func (s *stage) shopCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shop STATEMENT")
	}
	_, err := s.shop.Exec(context.Background(), args[0])
	ts.Check(err)
}

// Whoever does not know a command finds an example of it in its help.
func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&commands{}, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(true)
	if len(leaves) < 30 {
		t.Errorf("there should be some thirty commands, there are %d", len(leaves))
	}
	for _, leaf := range leaves {
		var out, errs bytes.Buffer
		var args []string
		for n := leaf; n.Type == kong.CommandNode; n = n.Parent {
			args = append([]string{n.Name}, args...)
		}
		status := run(t.Context(), append(args, "-h"), &world{out: &out, err: &errs})
		if text := out.String(); status != done || !strings.Contains(text, "Example") || !strings.Contains(text, "lethe "+strings.Join(args, " ")) {
			t.Errorf("lethe %s -h should show an example of itself, it ends with %d:\n%s%s", strings.Join(args, " "), status, text, errs.String())
		}
	}
}
