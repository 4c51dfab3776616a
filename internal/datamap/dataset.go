package datamap

import "slices"

// dataset reads one entry of dataset:.
func (p *mapReader) dataset(r *reader, item pair, among List) {
	if !r.shaped(item, datasetKeys()) {
		return
	}
	d := &Dataset{Pos: item.pos, Among: among}
	var collections pair
	for _, q := range r.pairs(item, datasetKeys()) {
		switch q.key {
		case "fides_key":
			d.Pos, d.Key = q.pos, r.text(q)
		case "name":
			d.Name = r.text(q)
		case "description":
			d.Description = r.text(q)
		case "data_categories":
			d.Categories = p.categories(r, q)
		case "data_uses", "data_purposes":
			d.Uses = texts(r.words(q))
		case "data_subjects":
			d.Subjects = texts(r.words(q))
		case "after":
			d.After = append(d.After, p.datasetsAfter(r, q)...)
		case "fides_meta", "fidesops_meta":
			p.datasetMeta(r, q, d)
		case "collections":
			collections = q
		case "lethe":
			p.letheDataset(r, q, d)
		}
	}
	if !fidesKey.MatchString(d.Key) {
		r.out.fail(d.Pos, "a dataset needs a fides_key of letters, digits, _ - . < >")
	}
	if twin := p.datasets[d.Key]; twin != nil && d.Key != "" {
		r.out.fail(d.Pos, "dataset %q stands twice; the first is at %s", d.Key, position(twin.Pos))
	} else if d.Key != "" {
		// Known even by a key that cannot be: what refers to it is no second mistake.
		p.datasets[d.Key] = d
	}
	if d.Name == "" {
		d.Name = d.Key
	}
	p.m.Datasets = append(p.m.Datasets, d)
	p.tables[d] = make(map[string]*Collection)
	d.Items = r.listOf(collections.value)
	items, ok := r.list(collections)
	if ok && len(items) == 0 {
		p.nothingIn(r, collections, d.Pos, "dataset %q has no collections", d.Key)
	}
	for _, c := range items {
		p.collection(r, pair{key: "collection", pos: r.pos(first(c)), value: c}, d)
	}
}

// nothingIn tells of a list without items. One that says so, [], is what Fides writes
// of a schema without tables, and takes; a list that is not there is a mistake to both.
func (p *mapReader) nothingIn(r *reader, list pair, at Pos, what, name string) {
	if isNull(list.value) {
		r.out.fail(at, what, name)
		return
	}
	r.out.warn(at, what+": nothing of it is found, given or erased", name)
}

func (p *mapReader) datasetMeta(r *reader, meta pair, d *Dataset) {
	for _, q := range r.pairs(meta, datasetMetaKeys()) {
		switch q.key {
		case "after":
			d.After = append(d.After, p.datasetsAfter(r, q)...)
		case "redact":
			p.redact(r, q)
		case "namespace":
			for _, n := range r.pairs(q, namespaceKeys()) {
				d.Schema = r.text(n)
				if wrong := nameProblem(d.Schema); wrong != "" && d.Schema != "" {
					r.out.fail(n.pos, "schema %q %s", d.Schema, wrong)
				}
			}
		}
	}
}

func (p *mapReader) datasetsAfter(r *reader, q pair) []string {
	list := r.words(q)
	for _, w := range list {
		p.atEnd(func() { p.needDataset(w.text, w.pos) })
	}
	return texts(list)
}

func (p *mapReader) letheDataset(r *reader, lethe pair, d *Dataset) {
	for _, q := range r.pairs(lethe, letheDatasetKeys()) {
		if q.key == "draft" {
			p.draft(r, q, d)
			continue
		}
		if q.key != "source" {
			p.legal(r, q, &d.Legal, &d.Legal)
			continue
		}
		d.Source = r.text(q)
		if known := p.options.Sources; known != nil && !slices.Contains(known, d.Source) {
			r.out.fail(q.pos, "unknown source %q%s", d.Source, r.out.didYouMean(d.Source, slices.Values(known)))
		}
	}
}

// legal reads basis, consent, origin and kept into own; resolved is what they come to
// once the level above has been inherited from.
func (p *mapReader) legal(r *reader, q pair, own, resolved *Legal) {
	switch q.key {
	case "basis":
		own.Basis = r.text(q)
		if len(own.Basis) != 1 || own.Basis < "a" || own.Basis > "f" {
			r.out.fail(q.pos, "basis must be one letter of Art. 6(1), a to f")
		}
	case "consent":
		own.Consent = r.text(q)
		p.atEnd(func() {
			if resolved.Basis != "a" && resolved.Consent != "" {
				r.out.warn(q.pos, "consent has a category, but the basis is not consent (basis: a)")
			}
		})
	case "origin":
		own.Origin = r.text(q)
	case "kept":
		own.Kept = r.text(q)
	}
}

// collection reads one entry of collections:.
func (p *mapReader) collection(r *reader, item pair, d *Dataset) {
	if !r.shaped(item, collectionKeys()) {
		return
	}
	c := &Collection{Pos: item.pos, Dataset: d}
	p.members[c] = make(map[string]*Field)
	var fields pair
	for _, q := range r.pairs(item, collectionKeys()) {
		switch q.key {
		case "name":
			c.Pos, c.Name = q.pos, r.text(q)
		case "description":
			c.Description = r.text(q)
		case "data_categories":
			c.Categories = p.categories(r, q)
		case "data_uses", "data_purposes":
			c.Uses = texts(r.words(q))
		case "data_subjects":
			c.Subjects = texts(r.words(q))
		case "fields":
			fields = q
		case "after", "erase_after", "skip_processing":
			p.collectionMetaKey(r, q, c)
		case "fides_meta", "fidesops_meta":
			for _, k := range r.pairs(q, collectionMetaKeys()) {
				p.collectionMetaKey(r, k, c)
			}
		case "lethe":
			p.letheCollection(r, q, c)
		}
	}
	if wrong := nameProblem(c.Name); wrong != "" {
		r.out.fail(c.Pos, "the collection's name %s", wrong)
	}
	if twin := p.tables[d][c.Name]; twin != nil && c.Name != "" {
		r.out.fail(c.Pos, "collection %q stands twice in dataset %q; the first is at %s", c.Name, d.Key, position(twin.Pos))
	} else if c.Name != "" {
		p.tables[d][c.Name] = c
	}
	d.Collections = append(d.Collections, c)
	c.Items = r.listOf(fields.value)
	items, ok := r.list(fields)
	if ok && len(items) == 0 {
		p.nothingIn(r, fields, c.Pos, "collection %q has no fields", c.Name)
	}
	for _, f := range items {
		p.field(r, pair{key: "field", pos: r.pos(first(f)), value: f}, c, nil)
	}
}

func (p *mapReader) collectionMetaKey(r *reader, q pair, c *Collection) {
	switch q.key {
	case "after":
		c.After = append(c.After, p.collectionsAfter(r, q, c)...)
	case "erase_after":
		c.EraseAfter = append(c.EraseAfter, p.collectionsAfter(r, q, c)...)
	case "skip_processing":
		c.Skip = r.flag(q)
	case "masking_strategy_override":
		m := p.masking(r, q)
		if m != nil && m.Strategy != strategyDelete {
			r.out.fail(q.pos, "a collection can only be deleted: strategy: delete; values are masked field by field")
		}
		c.Delete = m != nil && m.Strategy == strategyDelete
	case "redact":
		p.redact(r, q)
	}
}

// redact is Fides' wish to show "field_1" for a name in its report. An archive is
// for the person, who must be able to understand it (Art. 12(1)): names stay.
// lethe: {redact: true} on a field leaves the values out.
func (p *mapReader) redact(r *reader, q pair) {
	switch name := r.text(q); name {
	case "":
	case "name":
		r.out.warn(q.pos, "redact: name has no effect: an archive shows the names, so that the person can understand it; lethe: {redact: true} on a field leaves its values out")
	default:
		r.out.fail(q.pos, "redact can only be name, as Fideslang has it; lethe: {redact: true} on a field leaves its values out")
	}
}

func (p *mapReader) collectionsAfter(r *reader, q pair, c *Collection) []string {
	list := r.words(q)
	for _, w := range list {
		p.atEnd(func() {
			if p.needCollection(w.text, w.pos) == c {
				r.out.fail(w.pos, "%s names its own collection", q.key)
			}
		})
	}
	return texts(list)
}

func (p *mapReader) letheCollection(r *reader, lethe pair, c *Collection) {
	for _, q := range r.pairs(lethe, letheCollectionKeys()) {
		switch q.key {
		case "controller":
			// Not looked up among the fields: the column parts the rows of one
			// controller from another's, and need not be personal data.
			c.Controller = r.text(q)
			if wrong := nameProblem(c.Controller); wrong != "" {
				r.out.fail(q.pos, "the controller's column %s", wrong)
			}
		case "owner":
			c.Owner = r.text(q)
			p.atEnd(func() { p.checkOwner(c, c.Owner, q.pos) })
		case "shared":
			switch s := r.text(q); s {
			case "erase":
				c.SharedErase = true
			case "keep":
			default:
				r.out.fail(q.pos, "shared must be keep or erase")
			}
		case "keep":
			p.keeps(r, q, c)
		case "all_of":
			p.allOf(r, q, c)
		case "order":
			list := r.words(q)
			c.Order = texts(list)
			p.atEnd(func() {
				for _, w := range list {
					p.needField(c, w.text, w.pos)
				}
			})
		default:
			p.legal(r, q, &c.Legal, &c.Legal)
		}
	}
}

// categories reads data_categories; they are checked when the map's own are known.
func (p *mapReader) categories(r *reader, q pair) []string {
	list := r.words(q)
	p.used = append(p.used, list...)
	return texts(list)
}
