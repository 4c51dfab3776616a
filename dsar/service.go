package dsar

import (
	"context"
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
	"github.com/lethe-dsr/lethe/internal/source"
)

// Config is what a Service is made of. Every field is needed unless it says otherwise.
type Config struct {
	Pool        *pgxpool.Pool // the control database
	Map         *datamap.Map
	Policies    []datamap.Policy // beside the built-in ones
	Sources     map[string]Source
	Controllers map[string]Controller
	Recipients  []archive.Recipient // with Notify addresses in Notify
	Notify      map[string]Notify   // by recipient's key: who is told of erasures
	Periods     []archive.Period    // what the retention rules promise, for letters
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
	sources []string // names, sorted
	types   []string // identity types that the map knows, sorted

	mu    sync.Mutex
	plans map[string]*datamap.Plan // by kind, policy and identity types
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
	for _, key := range slices.Sorted(maps.Keys(c.Controllers)) {
		if _, _, err := Deadline(c.Now(), c.Controllers[key], false); err != nil {
			return nil, fmt.Errorf("controller %s: %w", key, err)
		}
	}
	return &Service{
		c: c, sources: slices.Sorted(maps.Keys(c.Sources)), types: identityTypes(c.Map), plans: map[string]*datamap.Plan{},
	}, nil
}

// now is the time as the control database can keep it.
func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Microsecond) }

// Download uses one of the download link's turns and streams the archive in
// clear through begin, which is told its name and size once it is sure to exist.
func (s *Service) Download(ctx context.Context, token string, begin func(name string, size int64) io.Writer) error {
	panic("to be built")
}

// Retry puts failed steps and letters of a request back to work.
func (s *Service) Retry(ctx context.Context, a Actor, id int64) error { panic("to be built") }

// Draft writes the archive as it would be now, unsealed, for the DPO's eyes.
func (s *Service) Draft(ctx context.Context, a Actor, id int64, w io.Writer) error {
	panic("to be built")
}

// HandOver writes the sealed archive for the DPO to hand over, on the record.
// With delivery "hand" it fulfils the request.
func (s *Service) HandOver(ctx context.Context, a Actor, id int64, w io.Writer) error {
	panic("to be built")
}

// RunStep carries out one step. It is safe to run again after a kill at any point.
// A *Permanent error is not retried; what else comes back is.
func (s *Service) RunStep(ctx context.Context, id int64, run int) error { panic("to be built") }

// SendLetter sends one letter, unless it is sent. The same rules for errors.
func (s *Service) SendLetter(ctx context.Context, id int64, run int, m Mailer) error {
	panic("to be built")
}

// GiveUp marks a step or letter failed whose job the queue has discarded.
func (s *Service) GiveUp(ctx context.Context, w Work) error { panic("to be built") }

// Minute does what time asks for: reminders, lapses, expired archives, records
// to scrub, steps and letters that wait although no job of theirs is alive (alive tells).
func (s *Service) Minute(ctx context.Context, alive func(ctx context.Context, w []Work) (map[Work]bool, error)) error {
	panic("to be built")
}

// OpenWalks are the walks of open requests: no sweep may touch their rows.
func (s *Service) OpenWalks(ctx context.Context) ([]source.Walk, error) { panic("to be built") }
