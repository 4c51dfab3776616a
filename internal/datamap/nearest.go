package datamap

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxGuesses bounds the search for similar names: each looks at every
// candidate, and a file of nothing but misspellings would make it quadratic.
const maxGuesses = 60

// didYouMean is `; did you mean "x"?` for the candidate nearest to word, or "".
// Among equally near ones the first in the alphabet is taken, so that a map's
// iteration order does not show.
func (p *problems) didYouMean(word string, candidates iter.Seq[string]) string {
	return p.guess(func() (string, bool) { return nearest(word, candidates) })
}

// meantOr is didYouMean with another hint where nothing is near.
func (p *problems) meantOr(word string, candidates iter.Seq[string], hint string) string {
	if meant := p.didYouMean(word, candidates); meant != "" {
		return meant
	}
	return "; " + hint
}

func (p *problems) guess(look func() (string, bool)) string {
	if p.guesses >= maxGuesses {
		return ""
	}
	p.guesses++
	if best, ok := look(); ok {
		return "; did you mean \"" + best + "\"?"
	}
	return ""
}

func nearest(word string, candidates iter.Seq[string]) (string, bool) {
	if len(word) > 100 {
		return "", false
	}
	// A third of the word may be wrong, at most three letters: beyond that a
	// suggestion misleads more than it helps.
	limit := min(3, max(1, utf8.RuneCountInString(word)/3))
	best, found, runes := "", false, []rune(strings.ToLower(word))
	for c := range candidates {
		d := len(c) - len(word)
		if d > 4*limit || -d > 4*limit || len(c) > 100 {
			continue
		}
		got := distance(runes, []rune(strings.ToLower(c)))
		if got < limit || got == limit && (!found || c < best) {
			best, found, limit = c, true, got
		}
	}
	return best, found
}

// distance counts insertions, deletions, replacements and swaps of neighbours.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func names(list ...string) iter.Seq[string] { return slices.Values(list) }
