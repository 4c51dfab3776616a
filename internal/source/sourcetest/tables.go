package sourcetest

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A Table is a collection with its rows, to be loaded by the factory. The first
// column is the primary key. Values are int64, string or nil.
type Table struct {
	Name    string
	Columns []Column
	Rows    [][]any
}

// A Column of a Table.
type Column struct {
	Name   string
	Number bool   // else text
	Names  string // the table whose key it holds: a foreign key where there are such; else empty
}

// Tables are the suite's rows, parents first: two firms (controllers), two
// people of the first with the same browser, and one of the second with the same address.
func Tables() []Table {
	id, firm := Column{Name: "id", Number: true}, Column{Name: "firm", Number: true}
	return []Table{
		{Name: "people", Columns: []Column{id, firm, {Name: "name"}, {Name: "mail"}}, Rows: [][]any{
			{int64(1), int64(1), "Pavla Ng", "Pavla@Example.org"},
			{int64(2), int64(1), "Karel Novák", "karel@example.org"},
			{int64(3), int64(2), "Pavla Ng", "pavla@example.org"},
			{int64(4), int64(1), nil, nil},
			{int64(5), int64(1), "Nobody", "n/a"},
		}},
		{Name: "browsers", Columns: []Column{id, {Name: "agent"}}, Rows: [][]any{
			{int64(70), "of Pavla alone"}, {int64(71), "of two"},
		}},
		{Name: "orders", Columns: []Column{id, firm, {Name: "person", Number: true, Names: "people"}, {Name: "browser", Number: true, Names: "browsers"}, {Name: "note"}}, Rows: [][]any{
			{int64(10), int64(1), int64(1), int64(70), "ring twice"}, {int64(11), int64(1), int64(1), int64(71), nil},
			{int64(12), int64(1), int64(2), int64(71), "mine"}, {int64(13), int64(2), int64(3), nil, "other firm"},
		}},
		{Name: "lines", Columns: []Column{id, {Name: "ordered", Number: true, Names: "orders"}, {Name: "what"}}, Rows: [][]any{
			{int64(100), int64(10), "boots"}, {int64(101), int64(10), "=cmd()"}, {int64(102), int64(12), "laces"}, {int64(103), int64(13), "gloves"},
		}},
		{Name: "logs", Columns: []Column{id, {Name: "person", Number: true}, {Name: "words"}}, Rows: [][]any{
			{int64(200), int64(1), "said hello"}, {int64(201), int64(2), "said nothing"},
		}},
	}
}

// Map is the suite's data map.
const Map = `
dataset:
  - fides_key: shop
    name: Shop
    lethe: {source: tested, basis: b}
    collections:
      - name: people
        lethe: {controller: firm}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true, data_type: integer}}
          - {name: firm, data_categories: [system.operations]}
          - {name: name, data_categories: [user.name]}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: browsers
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true, data_type: integer}}
          - {name: agent, data_categories: [user.device]}
      - name: orders
        lethe: {controller: firm, order: [id]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true, data_type: integer}}
          - {name: firm, data_categories: [system.operations]}
          - {name: person, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: browser, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: browsers.id, direction: to}]}}
          - {name: note, data_categories: [user.content]}
      - name: lines
        lethe: {order: [id]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true, data_type: integer}}
          - {name: ordered, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: orders.id, direction: from}]}}
          - {name: what, data_categories: [user.content]}
      - name: logs
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true, data_type: integer}}
          - {name: person, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: words, data_categories: [user.content]}
`

func dataMap(t *testing.T) *datamap.Map {
	t.Helper()
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(Map)}}, datamap.ParseOptions{Sources: []string{Name}})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected the suite's map to be right: %s", p)
		}
	}
	return m
}
