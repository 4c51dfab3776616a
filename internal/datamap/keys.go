package datamap

import (
	"maps"
	"slices"
)

// The keys of each level of a data map: those that are read, those that
// Fideslang allows and that only describe, and those that ask for something
// which has no effect here, each with the reason that the person is told.
// Fideslang's own models are the source of the lists.

// levelKeys are the keys of one level.
type levelKeys struct {
	what   string
	read   []string
	unused []string          // they describe; nothing is done with them
	idle   map[string]string // key -> why it has no effect
	newer  map[string]string // old spelling -> new one, which wins where both stand
	strict bool              // an unknown key is an error, not a warning
}

// levels are all of them; the tests hold a case for each key.
func levels() []levelKeys {
	return []levelKeys{
		topKeys(), categoryKeys(), datasetKeys(), datasetMetaKeys(), namespaceKeys(), collectionKeys(), collectionMetaKeys(),
		fieldKeys(), fieldMetaKeys(), referenceKeys(), maskingKeys(), configurationKeys(), preservationKeys(),
		letheDatasetKeys(), letheCollectionKeys(), letheFieldKeys(), keepKeys(), draftKeys(),
	}
}

// newerSpellings of keys that datasets, collections and fields share.
func newerSpellings() map[string]string {
	return map[string]string{"fidesops_meta": "fides_meta", "data_purposes": "data_uses"}
}

func topKeys() levelKeys {
	return levelKeys{
		what: "the file",
		read: []string{"dataset", "data_category"},
		unused: []string{
			"system", "policy", "organization", "data_use", "data_subject", "data_qualifier", "data_flow", //nolint:misspell // Fideslang spells it so
			"privacy_declaration", "evaluation", "registry", "version", "taxonomy",
		},
	}
}

func categoryKeys() levelKeys {
	return levelKeys{
		what: "a data category",
		read: []string{"fides_key"},
		unused: []string{
			"name", "description", "parent_key", "organization_fides_key", "tags", "is_default", "active", //nolint:misspell // Fideslang spells it so
			"version_added", "version_deprecated", "replaced_by", "meta",
		},
	}
}

func datasetKeys() levelKeys {
	return levelKeys{
		what: "a dataset",
		read: []string{
			"fides_key", "name", "description", "data_categories", "data_uses", "data_purposes", "data_subjects",
			"after", "fides_meta", "fidesops_meta", "collections", "lethe",
		},
		unused: []string{
			"organization_fides_key", "tags", "meta", "data_qualifier", "joint_controller", "retention", //nolint:misspell // Fideslang spells it so
			"third_country_transfers", "fidesctl_meta",
		},
		newer: newerSpellings(),
	}
}

func datasetMetaKeys() levelKeys {
	return levelKeys{
		what: "fides_meta of a dataset", read: []string{"after", "namespace", "redact"}, unused: []string{"resource_id"},
	}
}

func namespaceKeys() levelKeys {
	return levelKeys{
		what: "namespace", read: []string{"schema"},
		unused: []string{"database_name", "database_id", "database_instance_name", "dataset_id", "project_id", "connection_type"},
	}
}

func collectionKeys() levelKeys {
	return levelKeys{
		what: "a collection",
		read: []string{
			"name", "description", "data_categories", "data_uses", "data_purposes", "data_subjects", "fields",
			"after", "erase_after", "skip_processing", "fides_meta", "fidesops_meta", "lethe",
		},
		unused: []string{"tags", "meta", "data_qualifier", "retention"},
		newer:  newerSpellings(),
	}
}

func collectionMetaKeys() levelKeys {
	return levelKeys{
		what: "fides_meta of a collection",
		read: []string{"after", "erase_after", "skip_processing", "masking_strategy_override", "redact"},
		idle: map[string]string{"partitioning": "rows are looked up through indexes, one table is never read piece by piece"},
	}
}

func fieldKeys() levelKeys {
	return levelKeys{
		what: "a field",
		read: []string{
			"name", "description", "data_categories", "data_uses", "data_purposes", "data_subjects", "fields",
			"fides_meta", "fidesops_meta", "lethe",
		},
		unused: []string{"tags", "meta", "data_qualifier", "retention"},
		newer:  newerSpellings(),
	}
}

func fieldMetaKeys() levelKeys {
	return levelKeys{
		what: "fides_meta of a field",
		read: []string{
			"identity", "primary_key", "references", "data_type", "length", "return_all_elements", "read_only",
			"custom_request_field", "masking_strategy_override", "redact",
		},
	}
}

func referenceKeys() levelKeys {
	return levelKeys{what: "a reference", read: []string{"dataset", "field", "direction"}}
}

func maskingKeys() levelKeys {
	return levelKeys{what: "masking_strategy_override", read: []string{"strategy", "configuration"}}
}

func configurationKeys() levelKeys {
	return levelKeys{
		what: "configuration", read: []string{"rewrite_value", "length", "algorithm", "mode", "format_preservation"},
	}
}

func preservationKeys() levelKeys {
	return levelKeys{what: "format_preservation", read: []string{"suffix"}}
}

func letheDatasetKeys() levelKeys {
	return levelKeys{what: "lethe of a dataset", read: []string{"source", "basis", "consent", "origin", "kept", "draft"}, strict: true}
}

func letheCollectionKeys() levelKeys {
	return levelKeys{
		what:   "lethe of a collection",
		read:   []string{"controller", "owner", "shared", "order", "keep", "all_of", "basis", "consent", "origin", "kept"},
		strict: true,
	}
}

func letheFieldKeys() levelKeys {
	return levelKeys{
		what:   "lethe of a field",
		read:   []string{"match", "provided_by", "object", "redact", "mentions", "basis", "consent", "origin", "kept"},
		strict: true,
	}
}

func keepKeys() levelKeys {
	return levelKeys{what: "keep", read: []string{"where", "for", "from", "because", "mask", "with"}, strict: true}
}

func draftKeys() levelKeys {
	return levelKeys{what: "draft", read: []string{"ignore"}, strict: true}
}

// pairs reads a mapping of one level, reports the keys that do not belong
// there, and hands the others on.
func (r *reader) pairs(p pair, k levelKeys) []pair {
	all, ok := r.mapping(p.value, p.pos, k.what)
	if !ok {
		return nil
	}
	kept := make([]pair, 0, len(all))
	for _, q := range all {
		switch {
		case slices.Contains(k.read, q.key):
			if r.superseded(q, all, k) {
				continue
			}
			kept = append(kept, q)
		case slices.Contains(k.unused, q.key):
		case k.idle[q.key] != "":
			if !isNull(q.value) {
				r.out.warn(q.pos, "%s has no effect: %s", q.key, k.idle[q.key])
			}
		default:
			r.unknown(q, k)
		}
	}
	return kept
}

// superseded tells whether a key's newer spelling stands beside it; of the two
// one counts, as in Fideslang: the newer one unless it is empty.
func (r *reader) superseded(q pair, all []pair, k levelKeys) bool {
	for old, spelling := range k.newer {
		if q.key != old && q.key != spelling {
			continue
		}
		at := func(key string) int {
			return slices.IndexFunc(all, func(o pair) bool { return o.key == key && !isEmpty(o.value) })
		}
		o, n := at(old), at(spelling)
		switch {
		case o >= 0 && n >= 0:
			if q.key == old {
				r.out.warn(q.pos, "%s is not read beside %s, which is its newer spelling", old, spelling)
			}
			return q.key == old
		case q.key == old:
			return n >= 0 // empty beside the newer one
		}
		return o >= 0
	}
	return false
}

// besides tells that a key which is unknown here is known at another place of
// the same thing: on a field itself, under its fides_meta or under its lethe.
// Fides passes over such a key in silence, so that its files hold some.
func (k levelKeys) besides(key string) string {
	for _, thing := range [][]levelKeys{
		{fieldKeys(), fieldMetaKeys(), letheFieldKeys()},
		{collectionKeys(), collectionMetaKeys(), letheCollectionKeys()},
		{datasetKeys(), datasetMetaKeys(), letheDatasetKeys()},
	} {
		at := slices.IndexFunc(thing, func(l levelKeys) bool { return l.what == k.what })
		to := slices.IndexFunc(thing, func(l levelKeys) bool { return slices.Contains(l.read, key) })
		switch {
		case at < 0 || to < 0:
		case to == 0:
			return "; it stands on " + thing[0].what + " itself"
		default:
			return "; it belongs under " + thing[to].what
		}
	}
	return ""
}

func (r *reader) unknown(q pair, k levelKeys) {
	known := slices.Concat(k.read, k.unused, slices.Sorted(maps.Keys(k.idle)))
	hint := k.besides(q.key)
	for _, other := range []levelKeys{letheDatasetKeys(), letheCollectionKeys(), letheFieldKeys()} {
		if hint == "" && k.strict && k.what != keepKeys().what && other.what != k.what && slices.Contains(other.read, q.key) {
			hint = "; it belongs under " + other.what
		}
	}
	if hint == "" {
		hint = r.out.didYouMean(q.key, slices.Values(known))
	}
	if k.strict {
		r.out.fail(q.pos, "unknown key %q in %s%s", q.key, k.what, hint)
		return
	}
	r.out.warn(q.pos, "unknown key %q in %s is not read%s", q.key, k.what, hint)
}
