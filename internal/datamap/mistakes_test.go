package datamap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// thirtyMistakes has one mistake in each line that ends in a #number.
const thirtyMistakes = `dataset:
- fides_key: shop
  lethe: {source: shp} #1
  collections:
  - name: customers
    lethe:
      controler: account #2
      owner: contcat #3
      order: [nmae] #4
      shared: sometimes #5
      basis: g #6
      keep:
      - for: P10Y #7
        because: tax law
      - {where: {kind: [a]}, because: tax law, mask: [phon]} #8
    fides_meta:
      after: [shop.custmers] #9
      erase_after: [shop.orders.lines] #10
      skip_processing: perhaps #11
      masking_strategy_override: {strategy: drop} #12
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: contact}
    - {name: kind}
    - name: name
      fides_meta: {data_type: sting} #13
    - name: phone
      fides_meta: {identity: "phone number"} #14
      lethe: {match: fuzzy} #15
    - name: address
      fides_meta: {data_type: string}
      fields: [{name: street}] #16
    - name: extra
      fields:
      - name: nick
        fides_meta: {return_all_elements: true} #17
      - {name: "a.b"} #18
      - {name: nick} #19
    - name: tags
      fides_meta: {data_type: "string[]", length: many} #20
  - name: orders
    fields:
    - {name: id, fides_meta: {primary_key: true, masking_strategy_override: {strategy: hash}}} #21
    - name: customer
      fides_meta:
        references:
        - {dataset: sohp, field: customers.id, direction: from} #22
        - {dataset: shop, field: custmers.id, direction: from} #23
        - {dataset: shop, field: customers.idd, direction: from} #24
        - {dataset: shop, field: customers.extra.nik, direction: from} #25
        - {dataset: shop, field: customers.id, direction: form} #26
        - {dataset: shop, field: customers} #27
        - {dataset: shop, field: orders.id} #28
    - name: note
      fides_meta: {masking_strategy_override: {strategy: string_rewrite}} #29
      lethe: {provided_by: clerk} #30
`

// Thirty mistakes are thirty errors, each in its line, in one pass; the nearest
// name is suggested where there is one.
func TestThirtyMistakesAreThirtyErrors(t *testing.T) {
	t.Parallel()
	lines := strings.Split(thirtyMistakes, "\n")
	var want []string
	for i, line := range lines {
		if _, n, marked := strings.Cut(line, " #"); marked {
			want = append(want, fmt.Sprintf("%d (mistake %s)", i+1, n))
		}
	}
	if len(want) != 30 {
		t.Fatalf("expected thirty marked lines, got %d", len(want))
	}
	m, list := Parse([]File{{Name: "map.yaml", Data: []byte(thirtyMistakes)}}, ParseOptions{Sources: []string{"shop", "crm"}})
	if m != nil {
		t.Error("expected no map")
	}
	var got []string
	text := ""
	for _, p := range list {
		if p.Warning {
			continue
		}
		_, n, _ := strings.Cut(lines[p.Pos.Line-1], " #")
		got = append(got, fmt.Sprintf("%d (mistake %s)", p.Pos.Line, n))
		text += p.String() + "\n"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected one error for each mistake (-want +got):\n%s\n%s", diff, text)
	}
	for _, near := range []string{
		`"shp"; did you mean "shop"?`, `"controler" in lethe of a collection; did you mean "controller"?`, `"contcat" in shop.customers; did you mean "contact"?`,
		`"nmae" in shop.customers; did you mean "name"?`, `"phon" in shop.customers; did you mean "phone"?`, `"custmers" in dataset "shop"; did you mean "customers"?`,
		`"sting"; did you mean "string"?`, `"idd" in shop.customers; did you mean "id"?`, `"nik" in shop.customers.extra; did you mean "nick"?`,
	} {
		if !strings.Contains(text, near) {
			t.Errorf("expected the suggestion %s in:\n%s", near, text)
		}
	}
}
