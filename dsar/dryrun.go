package dsar

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A DryRun is what an erasure would do now.
type DryRun struct {
	// Findings are the counts that would go on record. Of a source that would
	// refuse there are none.
	Findings []source.Finding
	Refusals []Refusal
	// Then are sentences about what follows beside the rows: files that go with
	// them, people who are asked, text that is searched, recipients who are told.
	Then []string
}

// A Refusal is why a source would refuse an erasure, before a row is touched.
type Refusal struct{ Source, Sentence string }

// DryRun tells what an erasure in review would do if it were approved now, with
// the ticks that rows names as in an Approval. It changes nothing.
func (s *Service) DryRun(ctx context.Context, a Actor, id int64, rows []string) (DryRun, error) {
	d, err := s.dryRun(ctx, a, id, rows)
	return d, fault(fmt.Sprintf("dry run of request %d", id), err)
}

func (s *Service) dryRun(ctx context.Context, a Actor, id int64, rows []string) (d DryRun, err error) {
	var r requestRow
	var p dossier
	err = pg.InTx(ctx, s.db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if r, err = s.loadFor(ctx, tx, a, id, false, false); err != nil {
			return err
		}
		switch {
		case r.Kind != datamap.Erasure:
			return &NotNow{fmt.Sprintf("Request %d asks for a copy: only an erasure has a dry run. Open its draft archive instead.", id)}
		case r.Status != InReview:
			return notNow(id, r.Status, Running)
		}
		if p, err = s.dossierOf(ctx, tx, id); err != nil {
			return err
		}
		_, err = s.discovered(ctx, tx, id)
		return err
	})
	if err != nil {
		return d, err
	}
	ticked, err := tick(p.roots, rows)
	if err != nil {
		return d, err
	}
	for i := range p.roots {
		p.roots[i].Ticked = &ticked[i]
	}
	h, err := s.holds(ctx, r)
	if err != nil {
		return d, err
	}
	var plan *datamap.Plan // of all sources
	for _, name := range s.sources {
		w, err := s.tickedWalk(r, p, name, false)
		if err != nil {
			return d, err
		}
		if err := s.try(ctx, &d, w, h, name); err != nil {
			return d, err
		}
		plan = w.Plan
	}
	if len(d.Refusals) == 0 && plan != nil {
		d.Then = s.then(r, plan, d.Findings)
	}
	return d, nil
}

// then says what would follow these changes.
func (s *Service) then(r requestRow, plan *datamap.Plan, would []source.Finding) (sentences []string) {
	for _, field := range taken(plan, would) {
		if field.Object != "" {
			sentences = append(sentences, fmt.Sprintf("Files in the store %s that these rows of %s name go with them, save those that other people's rows name, too.", field.Object, field.Collection.FullName()))
		}
	}
	for _, name := range s.desksOf(r.Controller) {
		sentences = append(sentences, fmt.Sprintf("%s is asked to erase by hand what lies in %s.", s.c.Desks[name].Owner, name))
	}
	if len(s.texts) > 0 {
		sentences = append(sentences, fmt.Sprintf("Other people's text is searched for this person (%s); what is found waits for your word.", plural(int64(len(s.texts)), "column", "columns")))
	}
	if changed(would) > 0 {
		for _, key := range s.toTell(plan, would) {
			sentences = append(sentences, s.c.Notify[key].Name+" is told of the erasure (Art. 19).")
		}
	}
	return sentences
}

// try adds what an erasure would do in one source.
func (s *Service) try(ctx context.Context, d *DryRun, w source.Walk, h Holds, name string) error {
	src, err := s.source(name)
	if err != nil {
		return err
	}
	if h, err = s.fedHolds(ctx, h, name); err == nil {
		w, err = s.fed(ctx, w, h, name)
	}
	var would []source.Finding
	if err == nil && (!w.Restricted || concerns(w, name)) {
		would, err = src.DryRun(ctx, w, h)
	}
	var refuses lasting
	switch {
	case errors.As(err, &refuses) && refuses.Permanent():
		d.Refusals = append(d.Refusals, Refusal{name, explain(&sourceError{name, err}).sentence})
		return nil
	case err != nil:
		return cannotLook(name, err)
	}
	would = ownedBy(w.Plan, would)
	s.staying(w.Plan, would)
	for _, f := range would {
		f.Source = name
		d.Findings = append(d.Findings, f)
	}
	return nil
}
