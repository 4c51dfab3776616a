package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source/objects"
)

// store tries a store of files, and looks at what the data map says of it.
func (c *checker) store(ctx context.Context, s config.Source, m *datamap.Map) {
	part := "source " + s.Name
	store, err := objects.New(s.Name, s.Objects)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		defer store.Close() //nolint:errcheck // nothing was written
		err = store.Ping(ctx)
	}
	c.check(part, err, "is there and may be listed; whether files may be read and deleted shows when they are", "look at sources: in the configuration, at the folder or bucket, and at Lethe's rights there (S3: ListBucket, GetObject, DeleteObject)")
	named := false
	for _, d := range m.Datasets {
		for _, one := range d.Collections {
			for _, f := range one.Fields {
				if f.Object != s.Name {
					continue
				}
				named = true
				if stays(m, f) {
					c.say(doubtful, part, fmt.Sprintf("an erasure keeps the files that %s names: their rows stay, and the column is not masked", f.FullName()),
						"give the field a category, and a masking that may empty it, or let the collection's rows be deleted (strategy: delete)")
				}
			}
		}
	}
	if !named {
		c.say(doubtful, part, "no field of the data map names files in it", "say lethe: {object: "+s.Name+"} on the column that holds their keys")
	}
}

// stays tells whether the built-in erasure leaves a column that names files as
// it is, in rows that it reaches: then it leaves the files, too.
func stays(m *datamap.Map, f *datamap.Field) bool {
	plan, err := datamap.Compile(m, datamap.Builtin(datamap.Erasure), datamap.IdentityTypes(m))
	if err != nil {
		return false // the map's own check says why
	}
	for _, v := range plan.Visits {
		if v.Collection != f.Collection || v.Delete {
			continue
		}
		return !slices.ContainsFunc(v.Targets, func(t datamap.Target) bool {
			return t.Field == f && (t.Masking == nil || t.Masking.Strategy != "preserve")
		})
	}
	return false
}
