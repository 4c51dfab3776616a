package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := commandEnv()
			commands := map[string]func(*testscript.TestScript, bool, []string){"ends": ends}
			if strings.HasPrefix(name, "shop-") {
				s := setStageWith(t, mailbox.Options{}, func(ctx context.Context, shop *pgxpool.Pool) error {
					_, err := shop.Exec(ctx, shopRows)
					return err
				})
				log := &safeBuffer{}
				s.start(t, log, "work")
				t.Cleanup(func() {
					if t.Failed() {
						t.Log(log.String())
					}
				})
				env, commands["shop"] = s.env, s.shopCommand
			}
			testscript.Run(t, testscript.Params{Files: []string{file}, Cmds: commands, Setup: func(e *testscript.Env) error {
				e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
				for _, pair := range env {
					name, value, _ := strings.Cut(pair, "=")
					e.Setenv(name, value)
				}
				return openShell(e, self)
			}})
		})
	}
}

// A shell is a process that carries out one command line after the other in the
// script's folder: for each a process of its own would spend most of the test's
// time on being started, under the race detector a second of two cores.
type shell struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	errors bytes.Buffer
	names  []string // of the environment's variables
}

// asShell makes the test binary one.
const asShell = "shell"

type (
	shellLine struct {
		Args []string
		Env  map[string]string
	}
	shellAnswer struct {
		Status   int
		Out, Err string
	}
)

// serveShell is the process itself.
func serveShell() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var line shellLine
		if err := in.Decode(&line); err != nil {
			return // the script has ended
		}
		for name, value := range line.Env {
			_ = os.Setenv(name, value)
		}
		var said, complained bytes.Buffer
		status := run(context.Background(), line.Args, &world{
			in: strings.NewReader(""), out: &said, err: &complained, env: os.LookupEnv, now: time.Now,
		})
		_ = out.Encode(shellAnswer{status, said.String(), complained.String()})
	}
}

func openShell(e *testscript.Env, self string) error {
	sh := &shell{cmd: exec.Command(self)}
	for _, pair := range e.Vars {
		name, _, _ := strings.Cut(pair, "=")
		sh.names = append(sh.names, name)
	}
	sh.cmd.Dir, sh.cmd.Env, sh.cmd.Stderr = e.Cd, append(slices.Clone(e.Vars), asCommand+"="+asShell), &sh.errors
	var err error
	if sh.in, err = sh.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := sh.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	sh.out = json.NewDecoder(out)
	if err := sh.cmd.Start(); err != nil {
		return err
	}
	e.Values["shell"] = sh
	e.Defer(func() {
		_ = sh.in.Close()
		if err := sh.cmd.Wait(); err != nil {
			panic(fmt.Sprintf("the commands' process: %v\n%s", err, &sh.errors))
		}
	})
	return nil
}

// ends is "ends STATUS lethe …": a command line with the exit status that is
// expected. What reads its input, or a variable that the script made, is exec's.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "lethe" {
		ts.Fatalf("usage: ends STATUS lethe …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	sh := ts.Value("shell").(*shell)
	line := shellLine{Args: args[2:], Env: map[string]string{}}
	for _, name := range sh.names {
		if name != asCommand {
			line.Env[name] = ts.Getenv(name)
		}
	}
	ts.Check(json.NewEncoder(sh.in).Encode(line))
	var answer shellAnswer
	if err := sh.out.Decode(&answer); err != nil {
		ts.Fatalf("the commands' process: %v\n%s", err, &sh.errors)
	}
	_, _ = io.WriteString(ts.Stdout(), answer.Out)
	_, _ = io.WriteString(ts.Stderr(), answer.Err)
	if answer.Status != want {
		ts.Fatalf("%s should end with status %d, it ends with %d", strings.Join(args[1:], " "), want, answer.Status)
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
