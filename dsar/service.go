package dsar

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// Config is what a Service is made of. Every field is needed unless it says otherwise.
type Config struct {
	Pool        *pgxpool.Pool // the control database
	Map         *datamap.Map
	Policies    []datamap.Policy // beside the built-in ones
	Sources     map[string]Source
	Files       map[string]FileStore // stores of files that rows name; may be empty
	Controllers map[string]Controller
	Recipients  []archive.Recipient // with Notify addresses in Notify
	Notify      map[string]Notify   // by recipient's key: who is told of erasures
	Periods     []archive.Period    // what the retention rules promise, for letters
	Desks       map[string]Desk     // by source: people who are asked; none: nobody
	Brake       Brake               // when an erasure needs a second person
	PublicURL   string
	Keys        *keys.Set
	Storage     *archive.Storage
	Queue       Queue
	Holds       HoldFinder // nil: none
	Now         func() time.Time
	Rand        io.Reader // crypto/rand.Reader
}

// Notify is where a recipient hears of an erasure (Art. 19).
type Notify struct{ Name, Address string }

// Service carries out everything that happens to requests. It is safe for
// use by many goroutines.
type Service struct {
	c       Config
	db      pg.Pool                // the control database; work of a convoy goes there together
	sources []string               // names, sorted
	types   []string               // identity types that the map knows, sorted
	texts   []datamap.MentionField // columns that are searched for mentions, in the map's order

	mu    sync.Mutex
	plans map[string]*datamap.Plan // by kind, policy and identity types
	left  map[string]leftovers     // by erasure policy: see leaves
	parts map[planPart]string      // what plans do in sources: see part

	mentionLimit time.Duration // how long one mention's change may take

	gates  gates
	rounds rounds // of intake
}

// New checks the configuration: everything is there, and every controller sits
// in a country (and region) whose holidays are known.
func New(c Config) (*Service, error) {
	missing := map[string]bool{
		"Pool": c.Pool == nil, "Map": c.Map == nil, "Sources": len(c.Sources) == 0, "Controllers": len(c.Controllers) == 0,
		"Keys": c.Keys == nil, "Storage": c.Storage == nil, "Queue": c.Queue == nil, "Now": c.Now == nil, "Rand": c.Rand == nil,
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if missing[name] {
			return nil, fmt.Errorf("dsar: Config.%s is missing", name)
		}
	}
	if err := c.checkFiles(); err != nil {
		return nil, err
	}
	for name := range c.Desks {
		if c.Sources[name] != nil {
			return nil, fmt.Errorf("dsar: the source %s is a person and a database at once", name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Controllers)) {
		if _, _, err := Deadline(c.Now(), c.Controllers[key], false); err != nil {
			return nil, fmt.Errorf("controller %s: %w", key, err)
		}
	}
	texts := datamap.MentionFields(c.Map)
	if err := c.checkMentions(texts); err != nil {
		return nil, err
	}
	return &Service{
		c: c, db: pg.Pool{Pool: c.Pool}, sources: slices.Sorted(maps.Keys(c.Sources)), types: datamap.IdentityTypes(c.Map),
		texts: texts, plans: map[string]*datamap.Plan{}, left: map[string]leftovers{}, parts: map[planPart]string{},
		mentionLimit: mentionLimit,
	}, nil
}

// now is the time as the control database can keep it.
func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Microsecond) }
