package datamap

import (
	"maps"
	"slices"
)

// The keys of each level of a data map: those that are read, those that
// Fideslang allows and Lethe has no use for, and those whose work is not yet
// carried out and which are therefore refused by name. FIDESLANG's own models
// (fideslang/models.py) are the source of the lists.

// levelKeys are the keys of one level.
type levelKeys struct {
	what   string
	read   []string
	unused []string
	later  map[string]string // key -> what is not carried out
	strict bool              // an unknown key is an error, not a warning
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
	}
}

func datasetMetaKeys() levelKeys {
	return levelKeys{
		what: "fides_meta of a dataset", read: []string{"after", "namespace"}, unused: []string{"resource_id"},
	}
}

func namespaceKeys() levelKeys {
	return levelKeys{
		what: "namespace", read: []string{"schema"},
		unused: []string{"database_name", "database_id", "dataset_id", "project_id", "connection_type"},
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
	}
}

func collectionMetaKeys() levelKeys {
	return levelKeys{
		what:  "fides_meta of a collection",
		read:  []string{"after", "erase_after", "skip_processing", "masking_strategy_override", "redact"},
		later: map[string]string{"partitioning": "partitioning (the source reads by its indexes, and needs none)"},
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
	}
}

func fieldMetaKeys() levelKeys {
	return levelKeys{
		what: "fides_meta of a field",
		read: []string{
			"identity", "primary_key", "references", "data_type", "length", "return_all_elements", "read_only",
			"masking_strategy_override", "redact",
		},
		later: map[string]string{"custom_request_field": "custom_request_field (rows found by a field of the request)"},
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
		what: "configuration", read: []string{"rewrite_value", "length", "format_preservation"},
		unused: []string{"algorithm", "mode"},
	}
}

func preservationKeys() levelKeys {
	return levelKeys{what: "format_preservation", read: []string{"suffix"}}
}

func letheDatasetKeys() levelKeys {
	return levelKeys{what: "lethe of a dataset", read: []string{"source", "basis", "consent", "origin", "kept"}, strict: true}
}

func letheCollectionKeys() levelKeys {
	return levelKeys{
		what: "lethe of a collection",
		read: []string{"controller", "owner", "shared", "order", "basis", "consent", "origin", "kept"},
		later: map[string]string{
			"keep":   "keep (rows that a law keeps)",
			"all_of": "all_of (two references that both must hold)",
		},
		strict: true,
	}
}

func letheFieldKeys() levelKeys {
	return levelKeys{
		what: "lethe of a field",
		read: []string{"match", "provided_by", "basis", "consent", "origin", "kept"},
		later: map[string]string{
			"object":   "object (files named by a column)",
			"redact":   "redact (a third person's data inside the subject's rows)",
			"mentions": "mentions (free text to search)",
		},
		strict: true,
	}
}

// pairs reads a mapping of one level, reports the keys that do not belong
// there, and hands the others on.
func (r *reader) pairs(p pair, k levelKeys) []pair {
	all, ok := r.mapping(p.value, p.pos, k.what)
	if !ok {
		return nil
	}
	kept := all[:0]
	for _, q := range all {
		switch {
		case slices.Contains(k.read, q.key):
			kept = append(kept, q)
		case slices.Contains(k.unused, q.key):
		case k.later[q.key] != "":
			r.out.later(q.pos, "%s", k.later[q.key])
		default:
			r.unknown(q, k)
		}
	}
	return kept
}

func (r *reader) unknown(q pair, k levelKeys) {
	known := slices.Concat(k.read, k.unused, slices.Sorted(maps.Keys(k.later)))
	hint := ""
	for _, other := range []levelKeys{letheDatasetKeys(), letheCollectionKeys(), letheFieldKeys()} {
		_, refused := other.later[q.key]
		if k.strict && other.what != k.what && (refused || slices.Contains(other.read, q.key)) {
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
