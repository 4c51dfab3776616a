package datamap

import (
	"strings"
	"testing"
)

func TestDOT(t *testing.T) {
	t.Parallel()
	m := shopMap(t, "users: id! email@email#user.contact.email", "orders: id! user<users.id to#user.contact.address")
	p, err := Compile(m, Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	dot := p.DOT()
	for _, want := range []string{`"identity email" -> "shop.users" [label="email"]`, `"shop.users" -> "shop.orders" [label="id → user"]`, `"shop.orders\n`} {
		if !strings.Contains(dot, want) {
			t.Errorf("the picture should hold %s:\n%s", want, dot)
		}
	}
	if got := quoted("a\"b\\c\nd"); got != `"a\"b\\c\nd"` {
		t.Errorf("a hostile name should stay one string, it is %s", got)
	}
}
