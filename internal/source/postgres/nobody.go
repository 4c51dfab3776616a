package postgres

import (
	"regexp"
	"slices"
	"strings"
)

// What stands for "no value" in real tables, in one place. Followed as a link,
// or taken as an identity, it would join strangers (DESIGN.md, what always
// holds, 6). A value that too many rows share without being in any list is
// braked, see brake.go.

// placeholders are texts, compared without case and outer blanks. They are of
// ASCII: a statement with a letter that its database's encoding lacks is refused.
func placeholders() []string {
	return []string{"", "n/a", "n.a.", "#n/a", "na", "-", "--", "---", ".", "?", "null", "(null)", "<null>", "none", "(none)", "nil", "nan",
		"unknown", "(unknown)", "undefined", "not set", "(not set)", "not available", "anonymous", "[object object]", noUUID, allUUID}
}

// nobodysSigns are two dashes and what stands for a letter that got lost: in
// Unicode; by its bytes, where the encoding is SQL_ASCII; and the dashes of Windows'
// code pages. A regular expression's escapes need no letter of the encoding.
const nobodysSigns = `^(\u2013|\u2014|\ufffd|\u00e2\u0080[\u0093\u0094]|\u00ef\u00bf\u00bd|[\u0096\u0097])$`

// Two identifiers of nobody (RFC 9562, sections 5.9 and 5.10).
const (
	noUUID  = "00000000-0000-0000-0000-000000000000"
	allUUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
)

// noNumbers are numbers of nobody, where neither end of a link is part of a key:
// a row whose key is 0 is a row like any other.
const noNumbers = "0, -1"

// nobodysAddress are the local parts of addresses that people type, or programs
// fill in, where there is none.
const nobodysAddress = `^(null|none|nil|nobody|no-?one|unknown|undefined|anonymous|no[._-]?(e-?)?mail|no[._-]?reply|do[._-]?not[._-]?reply)@`

var nobody = regexp.MustCompile(nobodysAddress)

// leads is the condition under which a value may be followed.
func (c *column) leads(expr string) string {
	switch {
	case c.class.textual():
		text := "lower(btrim(" + bytewise(expr) + "))"
		return text + " NOT IN ('" + strings.Join(placeholders(), "', '") + "') AND " + text + " !~ '" + nobodysAddress + "|" + nobodysSigns + "'"
	case c.class == classUUID:
		return expr + " NOT IN ('" + noUUID + "'::uuid, '" + allUUID + "'::uuid)"
	}
	if c.notNull {
		return "true"
	}
	return expr + " IS NOT NULL"
}

// isPlaceholder is leads for a value that arrives from outside.
func isPlaceholder(v string) bool {
	v = strings.ToLower(strings.TrimSpace(v))
	return slices.Contains(placeholders(), v) || slices.Contains([]string{"–", "—", "\ufffd"}, v) || nobody.MatchString(v)
}
