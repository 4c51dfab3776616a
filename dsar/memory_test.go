package dsar

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// memory is a source in memory, for what a database cannot be made to do on
// demand: to fail in a given place, to be killed between two commits, to see a
// row come in during an erasure. It knows root rows only.
type memory struct {
	name string

	mu       sync.Mutex
	rows     map[string][]map[string]string // by collection
	outcomes map[string]source.Outcome
	xid      int
	reached  []string
	braked   []source.Brake

	fail         error                      // of the next operations
	refuse       error                      // why an erasure would stop
	beforeCommit func(source.Note)          // after the note, before the commit
	afterCommit  func()                     // after the commit
	erasures     int                        // transactions committed
	outcome      map[string]source.Outcome  // overrides
	held         map[source.RowKey]struct{} // rows under a hold, whatever the holds say
}

func newMemory(name string, rows map[string][]map[string]string) *memory {
	return &memory{name: name, rows: rows, outcomes: map[string]source.Outcome{}, outcome: map[string]source.Outcome{}, held: map[source.RowKey]struct{}{}}
}

type hit struct {
	visit *datamap.Visit
	row   map[string]string
	types []string
}

func (h hit) key() source.RowKey {
	return source.RowKey{Collection: h.visit.Collection.FullName(), Key: h.row["id"]}
}

// matches lists the rows that the walk's seeds match, restricted or not.
func (m *memory) matches(w source.Walk, restricted bool) []hit {
	var out []hit
	for _, v := range w.Plan.Visits {
		if v.Collection.Dataset.Source != m.name {
			continue
		}
		for _, row := range m.rows[v.Collection.FullName()] {
			h := hit{visit: v, row: row}
			for _, seed := range v.Seeds {
				for _, s := range w.Seeds {
					if s.Type == seed.Identity && strings.EqualFold(row[seed.Field.Name], s.Value) {
						h.types = append(h.types, s.Type)
					}
				}
			}
			if len(h.types) == 0 || v.Collection.Controller != "" && row[v.Collection.Controller] != w.Scope {
				continue
			}
			if restricted && w.Restricted && !slices.Contains(w.Roots, h.key()) {
				continue
			}
			out = append(out, h)
		}
	}
	return out
}

func (m *memory) findings(w source.Walk, hits []hit) []source.Finding {
	var out []source.Finding
	for _, v := range w.Plan.Visits {
		if v.Collection.Dataset.Source != m.name {
			continue
		}
		f := source.Finding{Source: m.name, Collection: v.Collection.FullName()}
		for _, h := range hits {
			if h.visit == v {
				f.Rows++
			}
		}
		out = append(out, f)
	}
	return out
}

func (h hit) root(name string) source.Root {
	r := source.Root{Source: name, RowKey: h.key(), Types: h.types, Stored: map[string]string{}, Person: map[string]string{}}
	for _, f := range h.visit.Collection.Fields {
		value := h.row[f.Name]
		if value == "" {
			continue
		}
		if f.Identity != "" {
			r.Stored[f.Identity] = value
		}
		if f.Name == "name" || f.Name == "phone" {
			r.Person[f.Name] = value
		}
	}
	return r
}

func (m *memory) Find(_ context.Context, w source.Walk) (source.Found, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return source.Found{}, m.fail
	}
	hits := m.matches(w, true)
	found := source.Found{Findings: m.findings(w, hits)}
	if len(hits) > 0 {
		found.Reached, found.Braked = m.reached, m.braked
	}
	for _, h := range hits {
		found.Roots = append(found.Roots, h.root(m.name))
	}
	return found, nil
}

type memorySnapshot struct {
	findings []source.Finding
	hits     []hit
}

func (m *memory) Snapshot(_ context.Context, w source.Walk) (source.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	hits := m.matches(w, true)
	return &memorySnapshot{findings: m.findings(w, hits), hits: hits}, nil
}

func (s *memorySnapshot) Findings() []source.Finding  { return s.findings }
func (s *memorySnapshot) Close(context.Context) error { return nil }
func (s *memorySnapshot) Rows(_ context.Context, collection string, yield func(source.Row) error) error {
	for _, h := range s.hits {
		if h.visit.Collection.FullName() != collection {
			continue
		}
		var row source.Row
		for _, t := range h.visit.Targets {
			row.Fields = append(row.Fields, t.Field.Name)
			row.Values = append(row.Values, h.row[t.Field.Name])
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Erase(ctx context.Context, w source.Walk, _ Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	m.mu.Lock()
	if m.fail != nil {
		m.mu.Unlock()
		return source.Note{}, m.fail
	}
	m.xid++
	gone, n := m.would(w)
	n.XID = strconv.Itoa(m.xid)
	m.outcomes[n.XID] = source.InProgress
	m.mu.Unlock()
	if err := note(ctx, n); err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.outcomes[n.XID] = source.Aborted
		return source.Note{}, fmt.Errorf("note: %w", err)
	}
	if m.beforeCommit != nil {
		m.mu.Lock()
		m.outcomes[n.XID] = source.Aborted // unless it returns
		m.mu.Unlock()
		m.beforeCommit(n)
	}
	m.mu.Lock()
	for collection, rows := range m.rows {
		m.rows[collection] = slices.DeleteFunc(rows, func(row map[string]string) bool {
			return gone[source.RowKey{Collection: collection, Key: row["id"]}]
		})
	}
	m.outcomes[n.XID] = source.Committed
	m.erasures++
	m.mu.Unlock()
	if m.afterCommit != nil {
		m.afterCommit()
	}
	return n, nil
}

func (m *memory) DryRun(_ context.Context, w source.Walk, _ Holds) ([]source.Finding, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.fail, m.refuse); err != nil {
		return nil, err
	}
	_, would := m.would(w)
	return would.Findings, nil
}

// would is what an erasure takes, and its note.
func (m *memory) would(w source.Walk) (gone map[source.RowKey]bool, n source.Note) {
	hits := m.matches(w, true)
	n.Findings = m.findings(w, hits)
	gone = map[source.RowKey]bool{}
	for _, h := range hits {
		for i := range n.Findings {
			if n.Findings[i].Collection != h.key().Collection {
				continue
			}
			if _, held := m.held[h.key()]; held {
				n.Findings[i].Held++
				continue
			}
			n.Findings[i].Erased++
			gone[h.key()] = true
			n.Keys = append(n.Keys, h.key())
		}
	}
	return gone, n
}

func (m *memory) Outcome(_ context.Context, xid string) (source.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.outcome[xid]; ok {
		return o, m.fail
	}
	return m.outcomes[xid], m.fail
}

func (m *memory) Look(_ context.Context, w source.Walk, _ Holds, _ []source.RowKey) (source.Remainder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return source.Remainder{}, m.fail
	}
	var rest source.Remainder
	var still []hit
	for _, h := range m.matches(w, false) {
		if _, held := m.held[h.key()]; held {
			continue
		}
		if slices.Contains(w.Roots, h.key()) {
			still = append(still, h)
		} else {
			rest.Roots = append(rest.Roots, h.root(m.name))
		}
	}
	rest.Findings = m.findings(w, still)
	return rest, nil
}

// set changes the source under the lock.
func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}
