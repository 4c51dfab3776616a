package datamap

import (
	_ "embed"
	"maps"
	"strings"
	"sync"
)

// The default data categories of Fideslang, one a line.
//
//go:embed fideslang-categories.txt
var defaultCategories string

// taxonomy is the set of the default categories.
var taxonomy = sync.OnceValue(func() map[string]bool {
	set := make(map[string]bool)
	for line := range strings.Lines(defaultCategories) {
		if c := strings.TrimSpace(line); c != "" {
			set[c] = true
		}
	}
	return set
})

// CategoryMatches tells whether a category falls under a target: it is the
// target or stands below it. user.contact matches user.contact.email, not user.contacts.
func CategoryMatches(target, category string) bool {
	return category == target ||
		len(category) > len(target) && category[len(target)] == '.' && strings.HasPrefix(category, target)
}

// KnownCategory tells whether a category stands in the default taxonomy or is
// one of the map's own; if not, near is the most similar one, or "". A parent
// of a known category is known.
func KnownCategory(m *Map, category string) (known bool, near string) {
	set := maps.Clone(taxonomy())
	if m != nil {
		for _, c := range m.Categories {
			for ; c != ""; c = parentCategory(c) {
				set[c] = true
			}
		}
	}
	if set[category] {
		return true, ""
	}
	near, _ = nearCategory(category, set)
	return false, near
}

// nearCategory is the known category that was likely meant: the only one whose
// last word is the same, since earlier taxonomies of Fideslang parted the same
// words in other ways (user.provided.identifiable.contact.email, user.gender),
// else the one that is spelt most alike.
func nearCategory(category string, known map[string]bool) (string, bool) {
	word := category[strings.LastIndexByte(category, '.')+1:]
	found := ""
	for c := range known {
		if strings.HasSuffix(c, "."+word) {
			if found != "" {
				return nearest(category, maps.Keys(known))
			}
			found = c
		}
	}
	if found != "" {
		return found, true
	}
	return nearest(category, maps.Keys(known))
}

func parentCategory(c string) string {
	if i := strings.LastIndexByte(c, '.'); i >= 0 {
		return c[:i]
	}
	return ""
}
