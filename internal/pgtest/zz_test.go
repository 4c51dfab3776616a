package pgtest_test
import ("testing";"time";"fmt";"context";"github.com/jackc/pgx/v5";"github.com/lethe-dsr/lethe/internal/devpg")
func TestZZ(t *testing.T){
 ctx:=context.Background()
 for _,set := range []map[string]string{{"dynamic_shared_memory_type":"posix"},{"dynamic_shared_memory_type":"mmap"},{"dynamic_shared_memory_type":"posix"},{"dynamic_shared_memory_type":"mmap"},{"dynamic_shared_memory_type":"mmap","autovacuum":"off"},{"dynamic_shared_memory_type":"posix","autovacuum":"off"},{"full_page_writes":"on"}} {
 s,err:=devpg.Start(ctx, devpg.Options{MaxConns:200, Settings:set}); if err!=nil {t.Fatal(err)}
 c,_:=pgx.Connect(ctx,s.URL("postgres"))
 c.Exec(ctx,"create database tpl")
 for _,st:= range []string{"wal_log","file_copy"} {
  for i:=range 4 { t0:=time.Now(); _,err:=c.Exec(ctx,fmt.Sprintf("create database %s%d template tpl strategy %s",st,i,st)); fmt.Println(set,st,time.Since(t0),err)
   t0=time.Now(); c.Exec(ctx,fmt.Sprintf("drop database %s%d with (force)",st,i)); fmt.Println("    drop",time.Since(t0))}
 }
 s.Stop()}
}
