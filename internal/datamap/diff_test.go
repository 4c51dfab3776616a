package datamap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func compared(t *testing.T, old, now *Map, policies ...Policy) (lost, other []string) {
	t.Helper()
	for _, c := range Compare(old, now, policies...) {
		if c.Lost {
			lost = append(lost, c.String())
		} else {
			other = append(other, c.String())
		}
	}
	return lost, other
}

func TestCompare(t *testing.T) {
	t.Parallel()
	base := []string{
		"users: id! email@email#user.contact.email phone@phone#user.contact.phone_number | delete",
		"orders: id! user<users.id buyer<users.email text#user.content",
		"lines: id! order<orders.id note#user.content | delete",
	}
	with := func(change func(lines []string)) []string {
		lines := append([]string(nil), base...)
		change(lines)
		return lines
	}
	for name, c := range map[string]struct {
		now         []string
		lost, other []string
	}{
		"nothing": {now: base},
		"a collection that is skipped takes along what only it leads to": {
			now: with(func(l []string) { l[1] += " | skip" }),
			lost: []string{
				"shop.orders is no longer reached by email, phone: skip_processing takes it out",
				"shop.lines is no longer reached by email, phone: nothing that the identity reaches leads there",
			},
		},
		"a collection that is gone": {
			now:  with(func(l []string) { l[2] = "others: id! x" }),
			lost: []string{"shop.lines is no longer reached by email, phone: the new map does not have it"},
		},
		"an identity that is gone": {
			now: with(func(l []string) {
				l[0] = "users: id! email@email#user.contact.email phone#user.contact.phone_number | delete"
			}),
			lost: []string{
				"shop.users is no longer reached by phone: nothing that the identity reaches leads there",
				"shop.orders is no longer reached by phone: nothing that the identity reaches leads there",
				"shop.lines is no longer reached by phone: nothing that the identity reaches leads there",
			},
		},
		"one of two ways": {
			now:  with(func(l []string) { l[1] = "orders: id! user<users.id buyer text#user.content" }),
			lost: []string{"shop.orders is no longer reached this way by email, phone: users.email → buyer"},
			// The address links nothing any more: a category masks it.
			other: []string{"shop.users.email would be masked by null_rewrite now (policy erasure)"},
		},
		"one more way": {
			now:   with(func(l []string) { l[2] = "lines: id! order<orders.id note#user.content user<users.id | delete" }),
			other: []string{"shop.lines is reached in one more way by email, phone: users.id → user"},
		},
		"a field that is gone, one that lost its category, one that is new": {
			now: with(func(l []string) { l[1] = "orders: id! user<users.id buyer<users.email address#user.contact" }),
			lost: []string{
				"shop.orders.text is no longer in the map",
			},
			other: []string{
				"shop.orders.address is new and would be given (policy access)",
				"shop.orders.address is new and would be masked by null_rewrite (policy erasure)",
			},
		},
		"masked instead of deleted": {
			now:   with(func(l []string) { l[2] = "lines: id! order<orders.id note#user.content" }),
			other: []string{"shop.lines had its rows deleted by policy erasure, and would have them masked"},
		},
		"neither deleted nor masked": {
			now: with(func(l []string) { l[2] = "lines: id! order<orders.id note#system.operations" }),
			lost: []string{
				"shop.lines had its rows deleted by policy erasure, and would keep them as they are",
			},
		},
		"an owner narrows": {
			now: with(func(l []string) {
				l[1] = "orders: id! user<users.id buyer<users.email text#user.content | owner=user"
			}),
			lost:  []string{"shop.orders is no longer reached this way by email, phone: users.email → buyer"},
			other: []string{"shop.orders is reached in one more way by email, phone: users.email → buyer (where user is empty)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lost, other := compared(t, shopMap(t, base...), shopMap(t, c.now...))
			if diff := cmp.Diff(c.lost, lost); diff != "" {
				t.Errorf("expected this to be lost (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.other, other); diff != "" {
				t.Errorf("expected this to change (-want +got):\n%s", diff)
			}
		})
	}
}

// Inside objects as in columns: what is withheld, masked otherwise or kept shows.
func TestCompareNested(t *testing.T) {
	t.Parallel()
	change := strings.NewReplacer(
		"{name: shoe, data_categories: [user.behavior]}", "{name: shoe, data_categories: [user.behavior], lethe: {redact: true}}",
		"rewrite_value: gone", "rewrite_value: x",
		"  - name: users\n", "  - name: users\n    lethe: {keep: {for: P10Y, from: id, because: the Tax Act}}\n",
	)
	lost, other := compared(t, mustParse(t, nestedMap), mustParse(t, change.Replace(nestedMap)),
		Policy{Name: "names", Kind: Erasure, Rules: []PolicyRule{{Categories: []string{"user.name"}}}})
	if diff := cmp.Diff([]string{"shop.users.profile.shoe would no longer be given by policy access"}, lost); diff != "" {
		t.Errorf("expected what is withheld to be lost (-want +got):\n%s", diff)
	}
	want := []string{
		"shop.users would keep all, P10Y from id: the Tax Act",
		`shop.users.tags was masked by string_rewrite "gone" and would be by string_rewrite "x" (policy erasure)`,
		"shop.users would keep all, P10Y from id: the Tax Act",
	}
	if diff := cmp.Diff(want, other); diff != "" {
		t.Errorf("expected the new keep and the other text (-want +got):\n%s", diff)
	}
	if got := Compare(example(t), example(t)); len(got) > 0 {
		t.Errorf("expected a map to be like itself, got %v", got)
	}
}
