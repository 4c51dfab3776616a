package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/devpg"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// ordersMap is a second database of the company's: invoices, which a law keeps.
const ordersMap = `
dataset:
  - fides_key: orders
    name: Orders
    data_uses: [essential.service.operations]
    lethe: {source: orders, basis: b}
    collections:
      - name: invoices
        lethe:
          controller: shop
          keep: [{for: P10Y, from: issued_on, because: "accounting law, § 31 of Act 563/1991", mask: [phone]}]
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: shop, data_categories: [system.operations], fides_meta: {data_type: integer}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email, data_type: string}}
          - {name: customer, data_categories: [user.name], fides_meta: {data_type: string}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {data_type: string}}
          - {name: issued_on, data_categories: [system.operations], fides_meta: {data_type: string}}
`

const ordersRows = `
CREATE TABLE invoices (id bigint PRIMARY KEY, shop bigint NOT NULL, email text, customer text NOT NULL, phone text, issued_on date);
CREATE INDEX ON invoices (lower(email));
INSERT INTO invoices VALUES
	(2001, 3, 'aoife.oneil@example.com', 'Aoife O''Neil', '+44 7700 900103', current_date - 400),
	(2002, 3, 'aoife.oneil@example.com', 'Aoife O''Neil', '+44 7700 900103', current_date - 90),
	(2003, 2, 'heike.doering@example.org', 'Heike Döring', NULL, current_date - 30);`

// company is what the demo is not: several sources, one of them a person, one of
// them down when told so; policies to choose; laws that keep rows; two people who approve.
type company struct {
	server  *devpg.Server
	box     *mailbox.Mailbox
	relay   *relay
	dir     string
	env     []string
	serving *exec.Cmd
	origin  string
}

func openCompany(ctx context.Context) (c *company, err error) {
	c = &company{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.server, err = devpg.Start(ctx, devpg.Options{}); err != nil {
		return c, err
	}
	if c.dir, err = c.server.Folder("company"); err != nil {
		return c, err
	}
	if err = c.fill(ctx); err != nil {
		return c, err
	}
	if c.box, err = mailbox.Start("127.0.0.1:0"); err != nil {
		return c, err
	}
	if c.relay, err = newRelay(ctx, c.server.URL("orders")); err != nil {
		return c, err
	}
	c.env = append(os.Environ(),
		"LETHE_CONFIG="+filepath.Join(c.dir, "lethe.yaml"), "LETHE_DATABASE="+c.server.URL("lethe"), "SHOP_DATABASE="+c.server.URL("livechat"),
		"ORDERS_DATABASE="+c.relay.url("orders"), "SHOP_FILES=file://"+filepath.Join(c.dir, "files"), "MAIL_URL=smtp://"+c.box.SMTPAddr(),
		"STORAGE=file://"+filepath.Join(c.dir, "archives"), "KEY_FILE="+filepath.Join(c.dir, "lethe.key"), "LISTEN="+c.freePort(ctx))
	c.env = append(c.env, "PUBLIC_URL="+c.origin)
	return c, steps(
		func() error { return c.lethe(ctx, nil, "keys", "new", "--out", filepath.Join(c.dir, "lethe.key")) },
		func() error { return c.lethe(ctx, nil, "migrate") },
		func() error { return c.serve(ctx) },
	)
}

// fill makes the databases and the configuration.
func (c *company) fill(ctx context.Context) error {
	for _, name := range []string{"lethe", "livechat", "orders"} {
		if err := c.server.CreateDatabase(ctx, name, ""); err != nil {
			return err
		}
	}
	pool, err := pgxpoolOf(ctx, c.server.URL("livechat"))
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, livechat.Schema); err != nil {
		return err
	}
	if err := sample.Generate(1, time.Now(), sample.Options{}).Load(ctx, pool); err != nil { //nolint:forbidigo // a tool on its own
		return err
	}
	if _, err := sample.WriteFiles(ctx, pool, filepath.Join(c.dir, "files")); err != nil {
		return err
	}
	// Somebody else of the same shop names the person who will be erased.
	_, err = pool.Exec(ctx, `
		INSERT INTO messages (id, conversation_id, type, sub_type, content_text, created_at)
		SELECT 900001, c.id, 'message', 'contact', 'It is a present for my neighbour. Could you also write to aoife.oneil@example.com, please? She likes green tea.', now() - interval '40 days'
		FROM conversations c JOIN contacts p ON p.id = c.contact_id
		WHERE c.account_id = 3 AND p.email <> 'aoife.oneil@example.com' ORDER BY c.id LIMIT 1`)
	if err != nil {
		return err
	}
	orders, err := pgx.Connect(ctx, c.server.URL("orders"))
	if err != nil {
		return err
	}
	defer func() { _ = orders.Close(ctx) }()
	if _, err := orders.Exec(ctx, ordersRows); err != nil {
		return err
	}
	conf := strings.Replace(livechat.Config, "sources:\n", "sources:\n"+
		"  orders: {postgres: \"${ORDERS_DATABASE}\", region: CZ}\n"+
		"  paper: {manual: {owner: HR desk, mail: hr@bota.example, holds: paper files of applicants, days: 5, controllers: [bota]}, region: CZ}\n", 1)
	conf = strings.Replace(conf, "datamap: [datamap.yaml]", "datamap: [datamap.yaml, orders.yaml]", 1) + `
brake: {root_rows: 1}
policies:
  names-only: {kind: erasure, rules: [{categories: [user.name], strategy: {strategy: null_rewrite}}]}
  contact-details: {kind: access, rules: [{categories: [user.contact, user.name]}]}
`
	for name, text := range map[string]string{"lethe.yaml": conf, "datamap.yaml": livechat.Datamap, "orders.yaml": ordersMap, "retention.yaml": livechat.Retention} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// freePort is an address that nobody listens on, and makes it the pages'.
func (c *company) freePort(ctx context.Context) string {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = l.Close() }()
	c.origin = "http://" + l.Addr().String()
	return l.Addr().String()
}

// lethe runs one command; out gets what it printed.
func (c *company) lethe(ctx context.Context, out *string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join("bin", "lethe"), args...)
	cmd.Env = c.env
	said, err := cmd.CombinedOutput()
	if out != nil {
		*out = string(said)
	}
	if err != nil {
		return fmt.Errorf("lethe %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return nil
}

func (c *company) serve(ctx context.Context) error {
	c.serving = exec.CommandContext(ctx, filepath.Join("bin", "lethe"), "serve")
	c.serving.Env = c.env
	c.serving.Cancel = func() error { return c.serving.Process.Signal(os.Interrupt) }
	said, err := c.serving.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.serving.Start(); err != nil {
		return err
	}
	ready := make(chan bool, 1)
	go func() {
		buf := make([]byte, 4096)
		var text string
		for {
			n, err := said.Read(buf)
			text += string(buf[:n])
			if strings.Contains(text, "Serving ") {
				ready <- true
				_, _ = io.Copy(os.Stderr, said)
				return
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, text)
				ready <- false
				return
			}
		}
	}()
	select {
	case ok := <-ready:
		if ok {
			return nil
		}
	case <-time.After(time.Minute):
	}
	return fmt.Errorf("lethe serve does not come up")
}

// signInLink lets a colleague in, once.
func (c *company) signInLink(ctx context.Context, email, name string) (string, error) {
	var out string
	err := steps(
		func() error {
			return c.lethe(ctx, nil, "staff", "add", email, "--name", name, "--role", "processor", "--no-password")
		},
		func() error { return c.lethe(ctx, &out, "staff", "link", email) },
	)
	return regexp.MustCompile(`http://\S+/signin/\S+`).FindString(out), err
}

func (c *company) close() {
	if c.serving != nil && c.serving.Process != nil {
		_ = c.serving.Process.Signal(os.Interrupt)
		_ = c.serving.Wait()
	}
	if c.relay != nil {
		c.relay.down()
	}
	if c.box != nil {
		_ = c.box.Close()
	}
	if c.server != nil {
		_ = c.server.Stop()
	}
}

// A relay passes connections on to the private Postgres until it is told to be down.
type relay struct {
	listener net.Listener
	user     string
	mu       sync.Mutex
	open     []net.Conn
}

func newRelay(ctx context.Context, to string) (*relay, error) {
	conf, err := pgx.ParseConfig(to)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(conf.Host, fmt.Sprintf(".s.PGSQL.%d", conf.Port))
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, user: conf.User}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, in, out)
			r.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				}()
			}
		}
	}()
	return r, nil
}

func (r *relay) url(database string) string {
	return "postgres://" + r.user + "@" + r.listener.Addr().String() + "/" + database + "?sslmode=disable"
}

func (r *relay) down() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
}
