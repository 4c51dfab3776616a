// Command lethe answers data-subject requests and keeps retention promises over
// the databases that a company already has.
//
// main parses the command line and turns errors into exit statuses; each command
// stands in a file of its own; app.go is where the parts are joined.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/lethe-dsr/lethe/internal/devpg"
)

func main() {
	// The demo's private Postgres is looked after by a child of the same program.
	devpg.Supervise()

	collectLess()
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	status := run(ctx, os.Args[1:], &world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, now: time.Now, terminal: isTerminal(os.Stderr),
	})
	stop()
	os.Exit(status)
}

// collectLess lets the heap grow to three times what is alive before it is
// collected, not twice: most of what a request takes is short-lived, and what
// stays is some ten megabytes. GOGC in the environment has the last word.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// world is what commands see of the process; tests have one of their own.
type world struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	now      func() time.Time
	terminal bool // progress is shown on err
}

// Exit statuses.
const (
	done   = 0
	failed = 1
	misuse = 2
	inPart = 3
)

// commands is the whole command line. Every command has an example in its help.
type commands struct {
	Config  string           `short:"c" placeholder:"FILE" default:"lethe.yaml" env:"LETHE_CONFIG" help:"Configuration."`
	Version kong.VersionFlag `help:"Say which version this is."`

	Demo  demoCmd  `cmd:"" group:"try" help:"A shop, its data, the whole service and a mailbox, on a private Postgres."`
	Serve serveCmd `cmd:"" group:"run" help:"Console and subjects' pages, with workers unless told otherwise."`
	Work  workCmd  `cmd:"" group:"run" help:"Workers alone, in any number of processes."`

	Migrate migrateCmd `cmd:"" group:"run" help:"Bring the control schema up to this version."`
	Check   checkCmd   `cmd:"" group:"run" help:"Try every part: databases, rights, data map, rules, mail, keys, storage."`
	Health  healthCmd  `cmd:"" group:"run" help:"Does the process that serves answer?"`

	Request  requestCmd  `cmd:"" group:"requests" help:"What the console can do with requests."`
	Find     findCmd     `cmd:"" group:"requests" help:"What is held about a person, in counts; changes nothing."`
	Grants   grantsCmd   `cmd:"" group:"run" help:"The least rights that each source needs, as GRANT statements."`
	Deadline deadlineCmd `cmd:"" group:"requests" help:"The day an answer is due, and how it comes about."`
	Datamap  datamapCmd  `cmd:"" group:"requests" help:"Errors of a data map; the plan made from it."`

	Sweep    sweepCmd    `cmd:"" group:"retention" help:"Run retention rules now."`
	Forecast forecastCmd `cmd:"" group:"retention" help:"What will expire when, and what never will."`
	Rules    rulesCmd    `cmd:"" group:"retention" help:"Retention rules and their approval."`
	Hold     holdCmd     `cmd:"" group:"retention" help:"Legal holds: what neither erasure nor expiry may touch."`

	Ledger ledgerCmd `cmd:"" group:"record" help:"The record of what was done."`
	Staff  staffCmd  `cmd:"" group:"record" help:"Who may sign in to the console."`
	Keys   keysCmd   `cmd:"" group:"record" help:"The key file."`
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, w *world) (status int) {
	var cli commands
	exited := -1
	out := &outlet{Writer: w.out}
	inner := *w
	inner.out, w = out, &inner
	parser, err := kong.New(&cli,
		kong.Name("lethe"),
		kong.Description("Answers data-subject requests and keeps retention promises over the databases you already have.\n\nStart with: lethe demo"),
		kong.Vars{"version": version()},
		kong.Writers(w.out, w.err),
		kong.Exit(func(code int) { exited = code; panic(exitPanic{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "try", Title: "Try it"}, {Key: "run", Title: "Run it"}, {Key: "requests", Title: "Requests"},
			{Key: "retention", Title: "Retention"}, {Key: "record", Title: "Record and access"},
		}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(w, &cli),
	)
	if err != nil {
		fmt.Fprintln(w.err, "lethe:", err)
		return failed
	}
	defer func() {
		if r := recover(); r != nil {
			if _, help := r.(exitPanic); !help {
				panic(r)
			}
			status = exited
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		// A flag that may be left out has "" among its values.
		fmt.Fprintf(w.err, "lethe: %s\n", strings.Replace(err.Error(), `must be one of "",`, "must be one of ", 1))
		fmt.Fprintln(w.err, "lethe -h lists the commands; lethe COMMAND -h explains one, with an example.")
		return misuse
	}
	status = w.report(k.Run())
	if out.err != nil && (status == done || status == inPart) {
		fmt.Fprintln(w.err, "lethe: the command was carried out, but what it had to say was not written, or not whole:", out.err)
		return failed
	}
	return status
}

type exitPanic struct{}

// exitError carries an exit status other than 1.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func wrongUse(format string, a ...any) error { return &exitError{misuse, fmt.Errorf(format, a...)} }

func doneInPart(format string, a ...any) error { return &exitError{inPart, fmt.Errorf(format, a...)} }

// report prints an error as a person reads it, and says which exit status it is.
func (w *world) report(err error) int {
	if err == nil {
		return done
	}
	var problems *problemsError
	if errors.As(err, &problems) {
		for _, line := range problems.lines {
			fmt.Fprintln(w.err, line)
		}
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w.err, "lethe: stopped")
		return failed
	}
	fmt.Fprintln(w.err, "lethe:", sentence(err))
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.status
	}
	return failed
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "lethe (unknown build)"
	}
	v, rev, dirty := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			rev = " " + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = " (changed since)"
		}
	}
	if v == "" {
		v = "(devel)"
	}
	return "lethe " + v + rev + dirty + " " + info.GoVersion
}
