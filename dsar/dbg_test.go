package dsar
import ("testing";"github.com/lethe-dsr/lethe/internal/datamap")
func TestDbg(t *testing.T){
	b,_,m:=newShop(t)
	id := b.approved(t, datamap.Access, "pavla@example.org")
	r,_:=loadRequest(t.Context(), b.pool, id, false)
	w,err:=b.tickedWalk(t.Context(), b.pool, r, "shop", false)
	t.Logf("%+v %v", w.Roots, err)
	f,err:=m.Find(t.Context(), w)
	t.Logf("find %+v %v", f.Findings, err)
	s,err:=m.Snapshot(t.Context(), w)
	t.Logf("%+v %v", s.Findings(), err)
	s.Close(t.Context())
}
