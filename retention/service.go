package retention

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Config is what a Service is made of.
type Config struct {
	Pool        *pgxpool.Pool
	Map         *datamap.Map
	Rules       []Rule // parsed and checked
	Sources     map[string]Source
	Controllers []Controller
	Keys        *keys.Set
	Queue       Queue
	Ticks       Ticks
	Requests    OpenRequests  // nil: none
	MinimumKeep time.Duration // 0: a day
	Now         func() time.Time
}

// Controller is what rules need of a controller.
type Controller struct {
	Key, Scope string
	Withhold   []string // categories that it does not want kept
}

// A Rule of the rule file; rules.go defines its parts.
type Rule struct{ Name string }

// ParseRules reads a rule file against a map. Every problem at once.
func ParseRules(file string, data []byte, m *datamap.Map) ([]Rule, []datamap.Problem) {
	panic("to be built")
}

// Service runs rules.
type Service struct{ c Config }

// New checks the configuration.
func New(c Config) (*Service, error) { return &Service{c: c}, nil }

// Sync brings the rules and schedule tables in line with the file; at the start of every process.
func (s *Service) Sync(ctx context.Context) error { panic("to be built") }

// ClaimDue claims due schedule rows (FOR UPDATE SKIP LOCKED), inserts their
// sweeps and work in the same transaction, and moves the due times on.
func (s *Service) ClaimDue(ctx context.Context) (int, error) { panic("to be built") }

// RunSlice works on a sweep for at most budget; more: it is not done and wants to go on.
func (s *Service) RunSlice(ctx context.Context, id int64, run int, budget time.Duration) (more bool, err error) {
	panic("to be built")
}

// Sweep runs rules now, to their end; rule "" means all. progress may be nil.
func (s *Service) Sweep(ctx context.Context, actor, rule string, dryRun bool, progress func(Result)) ([]Result, error) {
	panic("to be built")
}

// GiveUp marks a sweep failed whose job the queue has discarded.
func (s *Service) GiveUp(ctx context.Context, id int64) error { panic("to be built") }

// States lists the rules with their last and next runs.
func (s *Service) States(ctx context.Context) ([]RuleState, error) { panic("to be built") }

// ApproveRule lets a rule delete; its present count becomes the first limit.
func (s *Service) ApproveRule(ctx context.Context, actor, name string) (Result, error) {
	panic("to be built")
}

// Forecast says what will expire when.
func (s *Service) Forecast(ctx context.Context) ([]Forecast, error) { panic("to be built") }

// AddHold places a hold. Exactly one of identity (Type, Value), row (Collection, Value) or Collection.
func (s *Service) AddHold(ctx context.Context, actor string, h Hold) (int64, error) {
	panic("to be built")
}

// ListHolds lists holds; released ones too when all.
func (s *Service) ListHolds(ctx context.Context, controllers []string, all bool) ([]Hold, error) {
	panic("to be built")
}

// ReleaseHold ends a hold.
func (s *Service) ReleaseHold(ctx context.Context, actor string, id int64) error {
	panic("to be built")
}

// ActiveHolds are the holds of a controller as walks and rows, for erasures.
func (s *Service) ActiveHolds(ctx context.Context, controller string) ([]source.Walk, []source.RowKey, error) {
	panic("to be built")
}

// Periods is what the rules promise, for letters (Art. 15(1)(d)).
func (s *Service) Periods() []archive.Period { panic("to be built") }

// A Doubt is a line for `lethe check`: a lifetime without an end, a column that
// still holds an expired identifier's value, a rule without an index for its start.
type Doubt struct{ Subject, Sentence, Do string }

// Check looks at rules against the live sources.
func (s *Service) Check(ctx context.Context) ([]Doubt, error) { panic("to be built") }
