package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/term"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/web"
)

type staffCmd struct {
	Add    staffAddCmd    `cmd:"" help:"Let somebody sign in."`
	List   staffListCmd   `cmd:"" help:"Who may sign in."`
	Link   staffLinkCmd   `cmd:"" help:"A link that signs somebody in once."`
	Remove staffRemoveCmd `cmd:"" help:"End somebody's right to sign in."`
}

func withControl(ctx context.Context, w *world, cli *commands, f func(*config.Config, *pgxpool.Pool) error) error {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return err
	}
	pool, err := openControl(ctx, cfg, 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	return f(cfg, pool)
}

type staffAddCmd struct {
	Email       string   `arg:"" help:"Mail address; the name to sign in with."`
	Name        string   `required:"" help:"As colleagues know them."`
	Role        string   `enum:"dpo,reader,processor" default:"dpo" help:"dpo decides, reader looks, processor belongs to every controller."`
	Controller  []string `help:"Whose requests they see; may be repeated."`
	NoPassword  bool     `help:"Links only (lethe staff link)."`
	PasswordEnv string   `placeholder:"NAME" help:"Take the password from this environment variable instead of asking."`
}

// Help is the longer text of -h.
func (staffAddCmd) Help() string {
	return "Example:\n  lethe staff add dpo@bota.example --name \"Petra Nováková\" --controller bota"
}

// Run adds.
func (c *staffAddCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return withControl(ctx, w, cli, func(cfg *config.Config, pool *pgxpool.Pool) error {
		known := map[string]bool{}
		for _, k := range cfg.Controllers {
			known[k.Key] = true
		}
		for _, k := range c.Controller {
			if !known[k] {
				return wrongUse("there is no controller %s in the configuration", k)
			}
		}
		password := ""
		if !c.NoPassword {
			var err error
			if password, err = c.password(w); err != nil {
				return err
			}
		}
		_, err := web.AddStaff(ctx, pool, web.StaffMember{Email: c.Email, Name: c.Name, Role: c.Role, Controllers: c.Controller}, password)
		if err != nil {
			return err
		}
		fmt.Fprintln(w.out, "Added. They sign in at "+cfg.PublicURL+"/signin.")
		return nil
	})
}

// password is asked for on a terminal, twice, without an echo.
func (c *staffAddCmd) password(w *world) (string, error) {
	if c.PasswordEnv != "" {
		p, ok := w.env(c.PasswordEnv)
		if !ok || p == "" {
			return "", wrongUse("the environment variable %s is not set", c.PasswordEnv)
		}
		return p, nil
	}
	in, ok := w.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", wrongUse("there is no terminal to ask for a password on: use --password-env NAME, or --no-password")
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(w.err, prompt)
		p, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(w.err)
		return string(p), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask("Once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two differ; nothing was done")
	}
	return first, nil
}

type staffListCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (staffListCmd) Help() string { return "Example:\n  lethe staff list" }

// Run lists.
func (c *staffListCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return withControl(ctx, w, cli, func(_ *config.Config, pool *pgxpool.Pool) error {
		list, err := web.ListStaff(ctx, pool)
		if err != nil {
			return err
		}
		if c.JSON {
			type member struct {
				ID          int64     `json:"id"`
				Email       string    `json:"email"`
				Name        string    `json:"name"`
				Role        string    `json:"role"`
				Controllers []string  `json:"controllers"`
				CreatedAt   time.Time `json:"created_at"`
			}
			out := []member{}
			for _, m := range list {
				out = append(out, member{m.ID, m.Email, m.Name, m.Role, m.Controllers, m.CreatedAt.UTC()})
			}
			return printJSON(w.out, map[string]any{"staff": out})
		}
		t := newTable(w.out, "id", "email", "name", "role", "controllers", "since")
		for _, m := range list {
			who := strings.Join(m.Controllers, ", ")
			if m.Role == web.RoleProcessor {
				who = "all"
			}
			t.row(m.ID, m.Email, m.Name, m.Role, who, day(m.CreatedAt))
		}
		t.flush()
		return nil
	})
}

type staffLinkCmd struct {
	Email string        `arg:"" help:"Whose link."`
	For   time.Duration `default:"1h" help:"How long it works."`
}

// Help is the longer text of -h.
func (staffLinkCmd) Help() string { return "Example:\n  lethe staff link dpo@bota.example" }

// longestLink is for somebody who is invited on a Friday.
const longestLink = 72 * time.Hour

// Run prints a link that works once.
func (c *staffLinkCmd) Run(ctx context.Context, w *world, cli *commands) error {
	if c.For < time.Minute || c.For > longestLink {
		return wrongUse("--for takes from 1m to %s: whoever finds the link signs in with it", longestLink)
	}
	return withControl(ctx, w, cli, func(cfg *config.Config, pool *pgxpool.Pool) error {
		list, err := web.ListStaff(ctx, pool)
		if err != nil {
			return err
		}
		for _, m := range list {
			if strings.EqualFold(m.Email, c.Email) {
				token, err := web.SignInLink(ctx, pool, m.ID, c.For, w.now(), rand.Reader)
				if err != nil {
					return err
				}
				fmt.Fprintln(w.out, cfg.PublicURL+"/signin/"+token)
				return nil
			}
		}
		return web.ErrStaffUnknown
	})
}

type staffRemoveCmd struct {
	Email string `arg:"" help:"Whose right ends."`
}

// Help is the longer text of -h.
func (staffRemoveCmd) Help() string { return "Example:\n  lethe staff remove dpo@bota.example" }

// Run removes.
func (c *staffRemoveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return withControl(ctx, w, cli, func(_ *config.Config, pool *pgxpool.Pool) error {
		if err := web.RemoveStaff(ctx, pool, c.Email); err != nil {
			return err
		}
		fmt.Fprintln(w.out, "Removed; open sessions have ended.")
		return nil
	})
}
