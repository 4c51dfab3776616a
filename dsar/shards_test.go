package dsar

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

const shardSchema = `
CREATE TABLE people (id bigint PRIMARY KEY, firm bigint, name text, mail text);
CREATE TABLE orders (id bigint PRIMARY KEY, firm bigint, person bigint, note text);
CREATE TABLE lines  (id bigint PRIMARY KEY, ordered bigint, what text);
CREATE INDEX ON people (lower(mail)); CREATE INDEX ON orders (person); CREATE INDEX ON lines (ordered);`

// The person stands in one shard, their order in a second, its lines in all.
var shardRows = []string{
	`INSERT INTO people VALUES (1, 1, 'Pavla Ng', 'Pavla@Example.org'); INSERT INTO lines VALUES (100, 10, 'boots');`,
	`INSERT INTO orders VALUES (10, 1, 1, 'ring twice'), (12, 1, 2, 'mine'); INSERT INTO lines VALUES (101, 10, 'laces');`,
	`INSERT INTO people VALUES (2, 1, 'Karel Novák', 'karel@example.org'); INSERT INTO lines VALUES (102, 12, 'gloves'), (103, 10, 'wax');`,
}

// One shard fails in the middle of an erasure: the others are done, the request
// waits and names the shard, and once it is back nothing has been lost, though
// the rows that led there are gone.
func TestErasureWithAShardAway(t *testing.T) {
	t.Parallel()
	for down := range shardRows {
		t.Run(string(rune('1'+down)), func(t *testing.T) {
			t.Parallel()
			var parts []shards.Part
			var pools []*pgxpool.Pool
			var broken *away
			for i, rows := range shardRows {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, shardSchema+rows)
				real, err := postgres.New("shop", pool, postgres.Options{Shard: true})
				if err != nil {
					t.Fatal(err)
				}
				a := &away{Source: real}
				if i == down {
					broken = a
				}
				name := string(rune('1' + i))
				parts = append(parts, shards.Part{Name: "shop, shard " + name, ID: "s" + name, Server: name, Database: a})
				pools = append(pools, pool)
			}
			s, err := shards.New("shop", parts, shards.Options{})
			if err != nil {
				t.Fatal(err)
			}
			b := newWorkOver(t, shopMap, map[string]Source{"shop": s})
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			if f := findingIn(t, b.get(t, id).Findings, "shop.lines"); f.Rows != 3 {
				t.Errorf("expected the discovery to find a line in each shard, got %d", f.Rows)
			}
			broken.erasing = true
			b.work(t)
			st := b.step(t, id, "erase", "shop")
			if st.Status != "waiting" || !strings.Contains(st.Message, "shop, shard "+string(rune('1'+down))+" cannot be reached") {
				t.Errorf("expected the step to wait and to name the shard, it is %s: %q", st.Status, st.Message)
			}
			broken.erasing = false
			if err := b.run(t, b.job(t, id, "erase", "shop")); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			q := b.expectStatus(t, id, Fulfilled)
			for collection, want := range map[string]int64{"shop.people": 1, "shop.orders": 1, "shop.lines": 3} {
				if f := findingIn(t, q.Findings, collection); f.Erased != want {
					t.Errorf("expected %d erased rows of %s on the record, got %d", want, collection, f.Erased)
				}
			}
			for i, want := range []string{"", "orders 12", "people 2, lines 102"} {
				if got := left(t, pools[i]); got != want {
					t.Errorf("expected %q in shard %d, got %q", want, i+1, got)
				}
			}
			expectNowhere(t, b.dump(t), "pavla@example.org", "Pavla Ng", "ring twice")
		})
	}
}
