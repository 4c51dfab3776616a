package integration

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"gocloud.dev/blob"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/sample"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/objects"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/sourcetest"
)

// TestS3 runs what needs a bucket against a real S3 server, one for all: the
// server cannot be started twice in a process.
func TestS3(t *testing.T) { //nolint:paralleltest // it sets the environment
	t.Setenv("AWS_ACCESS_KEY_ID", "tester")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	product := binary(t) // before the S3 server, which changes the folder that the process is in
	g := startS3(t)
	g.product = product
	t.Run("conformance", func(t *testing.T) { //nolint:paralleltest // its parts are
		sourcetest.Run(t, g.conforming)
	})
	t.Run("a bucket of another name", g.strangeBucket)         //nolint:paralleltest // see above
	t.Run("keys as they stand", g.keysAsTheyStand)             //nolint:paralleltest // see above
	t.Run("keys that lead elsewhere", g.keysThatLeadElsewhere) //nolint:paralleltest // see above
	t.Run("archive storage", g.archives)                       //nolint:paralleltest // see above
	t.Run("attachments of the live chat", g.attachments)       //nolint:paralleltest // see above
	t.Run("a worker killed before the files", g.killedBetween) //nolint:paralleltest // see above
}

// A gateway is the S3 server.
type gateway struct {
	dir, address string
	buckets      int
	product      string // the binary
}

func startS3(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.address = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	side := t.TempDir()
	attributes, err := meta.NewSideCar(side)
	if err != nil {
		t.Fatal(err)
	}
	back, err := posix.New(g.dir, attributes, posix.PosixOpts{SideCarDir: side})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- embedgw.RunVersityGW(ctx, back, &embedgw.Config{
			RootUserAccess: "tester", RootUserSecret: "hunter2-hunter2", Ports: []string{g.address},
			MaxConnections: 512, MaxRequests: 256, MultipartMaxParts: 10_000, Quiet: true,
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		if c, err := net.Dial("tcp", g.address); err == nil {
			_ = c.Close()
			return g
		}
		select {
		case err := <-ended:
			t.Fatalf("expected the S3 server to run: %v", err)
		case <-limit:
			t.Fatal("expected the S3 server to answer within 20 seconds")
		case <-tick.C:
		}
	}
}

// url is the address of a bucket, as lethe.yaml has it.
func (g *gateway) url(bucket, prefix string) string {
	q := url.Values{"endpoint": {"http://" + g.address}, "use_path_style": {"true"}, "region": {"us-east-1"}}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return "s3://" + bucket + "?" + q.Encode()
}

// bucket makes one.
func (g *gateway) bucket(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(g.dir, name), 0o750); err != nil {
		t.Fatal(err)
	}
}

func (g *gateway) open(t *testing.T, address string) *blob.Bucket {
	t.Helper()
	b, err := blob.OpenBucket(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func (g *gateway) conforming(t *testing.T) sourcetest.Subject {
	t.Helper()
	name := "c" + strings.ToLower(rand.Text())[:20]
	g.bucket(t, name)
	address := g.url(name, "chat/")
	bucket := g.open(t, address)
	add := func(t *testing.T, key, content string) {
		t.Helper()
		if err := bucket.WriteAll(t.Context(), key, []byte(content), nil); err != nil {
			t.Fatal(err)
		}
	}
	for key, content := range sourcetest.Contents() {
		add(t, key, content)
	}
	s, err := objects.New(sourcetest.Name, address)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(g.dir, name)
	move := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	return sourcetest.Subject{
		Files: s, Add: add, Close: func() { _ = s.Close() },
		Has: func(t *testing.T, key string) bool {
			t.Helper()
			there, err := bucket.Exists(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return there
		},
		// The bucket is gone, and every key with it.
		Break: func(t *testing.T) { t.Helper(); move(t, at, g.dir+"-"+name) },
		Mend:  func(t *testing.T) { t.Helper(); move(t, g.dir+"-"+name, at) },
	}
}

// strangeBucket: wrong credentials and a bucket that is not there are errors
// of their own kinds, and no error says where the store is.
func (g *gateway) strangeBucket(t *testing.T) {
	s, err := objects.New("files", g.url("nobodys-bucket", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	var own *objects.Error
	if err := s.Ping(t.Context()); !errors.As(err, &own) || !own.Absent() || strings.Contains(err.Error(), "nobodys") {
		t.Errorf("expected the bucket to be told as absent, without its name, got %v", err)
	}
	g.bucket(t, "guarded")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	denied, err := objects.New("files", g.url("guarded", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer denied.Close() //nolint:errcheck // nothing was written
	_, err = denied.Delete(t.Context(), []string{"secret-key.pdf"})
	if err == nil || strings.Contains(err.Error(), "secret-key") || strings.Contains(err.Error(), "another") {
		t.Errorf("expected an error without key and password, got %v", err)
	}
}

// keysAsTheyStand: an object is found under the very bytes of its key.
func (g *gateway) keysAsTheyStand(t *testing.T) {
	g.bucket(t, "odd")
	s, err := objects.New("files", g.url("odd", "chat/"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	for _, key := range []string{"new\nline.txt", "a__0x2f__b.txt", "ž ?#%2F+.txt"} {
		path := filepath.Join(g.dir, "odd", "chat", key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte("here"), 0o600)); err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), key)
		if err != nil {
			t.Errorf("expected the object of %q, got %v", key, err)
			continue
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(data) != "here" {
			t.Errorf("key %q: expected its bytes, got %q, %v", key, data, err)
		}
		if done, err := s.Delete(t.Context(), []string{key}); err != nil || done.Gone != 1 {
			t.Errorf("expected the object of %q to go, got %+v, %v", key, done, err)
		}
	}
}

// keysThatLeadElsewhere: this server keeps objects as files, and takes a key for a
// path. What goes up in it leads to nobody's objects, below the prefix or beside
// it, and stops nothing; what two spellings name has both.
func (g *gateway) keysThatLeadElsewhere(t *testing.T) {
	g.bucket(t, "ours")
	g.bucket(t, "theirs")
	var others []string
	for _, name := range []string{"theirs/other.txt", "ours/secret.txt", "ours/chat/real.txt", "ours/chat/b/real.txt"} {
		path := filepath.Join(g.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte("not theirs"), 0o600)); err != nil {
			t.Fatal(err)
		}
		others = append(others, path)
	}
	s, err := objects.New("files", g.url("ours", "chat/"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	for _, key := range []string{
		"../secret.txt", "../../theirs/other.txt", "../../../x", "..", "b/..", "b/../real.txt", "b/../../secret.txt", "none/../real.txt", "../chat/real.txt",
		strings.Repeat("x", 1023), // with the prefix it is longer than a key may be
	} {
		if r, err := s.Open(t.Context(), key); !errors.Is(err, source.ErrNoFile) {
			t.Errorf("expected no file under %.30q, got %v, %v", key, r, err)
		}
		if done, err := s.Delete(t.Context(), []string{key}); err != nil || done.Gone != 0 || done.Missing != 1 {
			t.Errorf("expected %.30q to be missing, got %+v, %v", key, done, err)
		}
	}
	for _, path := range others {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("expected the objects of others to be left alone: %v", err)
		}
	}
	for key, want := range map[string][]string{"./real.txt": {"real.txt"}, "/b//real.txt": {"b/real.txt"}, "b/real.txt": nil, "../secret.txt": nil} {
		if got := s.Alike(key); !slices.Equal(got, want) {
			t.Errorf("expected %q to be told as %q, got %q", key, want, got)
		}
	}
}

// archives: the storage of archives works on S3 as in a folder.
func (g *gateway) archives(t *testing.T) {
	g.bucket(t, "archives")
	set, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	storage, err := archive.OpenStorage(t.Context(), g.url("archives", "lethe/"), set)
	if err != nil {
		t.Fatal(err)
	}
	defer storage.Close() //nolint:errcheck // nothing is open
	if err := storage.Check(t.Context()); err != nil {
		t.Fatalf("expected an object to be written, read and deleted: %v", err)
	}
	large := bytes.Repeat([]byte("a page of somebody's data "), 1<<19) // 13 MB: several parts
	w, err := storage.Create(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(large); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := storage.Open(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, large) {
		t.Errorf("expected %d bytes back, got %d, %v", len(large), len(got), err)
	}
	given, err := storage.Create(t.Context(), "given-up")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := given.Write(large); err != nil {
		t.Fatal(err)
	}
	given.Abort()
	raw := g.open(t, g.url("archives", ""))
	var names []string
	for list := raw.List(nil); ; {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Key)
		head, err := raw.NewRangeReader(t.Context(), o.Key, 0, 1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := io.ReadAll(head)
		if err := errors.Join(err, head.Close()); err != nil || bytes.Contains(clear, []byte("somebody")) {
			t.Errorf("expected %s to be encrypted, %v", o.Key, err)
		}
	}
	if strings.Join(names, " ") != "lethe/one" {
		t.Errorf("expected one object below the prefix, and none that was given up, got %v", names)
	}
	for range 2 {
		if err := storage.Delete(t.Context(), "one"); err != nil {
			t.Errorf("expected an object to be deleted, twice if need be: %v", err)
		}
	}
}

// killed is what a store panics with where the process would die.
const killed = "killed here"

// mortal is the real store, whose process dies after a deletion.
type mortal struct {
	*objects.Store
	dies bool
}

func (m *mortal) Delete(ctx context.Context, keys []string) (source.Deleted, error) {
	done, err := m.Store.Delete(ctx, keys)
	if m.dies && err == nil {
		m.dies = false
		panic(killed)
	}
	return done, err
}

// queue keeps what a service queues.
type queue struct{ pool *pgxpool.Pool }

func (q queue) Insert(ctx context.Context, tx pgx.Tx, work ...dsar.Work) error {
	for _, w := range work {
		if _, err := tx.Exec(ctx, `INSERT INTO test_queue (kind, id, run) VALUES ($1, $2, $3)`, w.Kind, w.ID, w.Run); err != nil {
			return err
		}
	}
	return nil
}

func (q queue) Hurry(ctx context.Context, tx pgx.Tx, work ...dsar.Work) (int, error) {
	return len(work), q.Insert(ctx, tx, work...)
}

// post keeps letters.
type post struct{ sent []dsar.Letter }

func (p *post) Send(_ context.Context, l dsar.Letter) error {
	p.sent = append(p.sent, l)
	return nil
}

// desk is the live chat with its attachments in a bucket, and Lethe over it
// with its archives in another.
type desk struct {
	*dsar.Service
	pool, shop *pgxpool.Pool
	files      *blob.Bucket
	store      *mortal
	mail       *post
}

func (g *gateway) desk(t *testing.T) (*desk, *sample.Shop) {
	t.Helper()
	d := &desk{pool: pgtest.Control(t), shop: pgtest.Empty(t), mail: &post{}}
	pgtest.Exec(t, d.pool, `CREATE TABLE test_queue (kind text, id bigint, run int, n bigint GENERATED ALWAYS AS IDENTITY)`)
	pgtest.Exec(t, d.shop, livechat.Schema)
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	shop := sample.Generate(3, now, sample.Options{Contacts: 60, Visits: 400})
	if err := shop.Load(t.Context(), d.shop); err != nil {
		t.Fatal(err)
	}
	g.bucket(t, "attachments")
	g.bucket(t, "sealed")
	d.files = g.open(t, g.url("attachments", ""))
	d.upload(t)
	m, problems := datamap.Parse([]datamap.File{{Name: "datamap.yaml", Data: []byte(livechat.Datamap)}},
		datamap.ParseOptions{Sources: []string{"livechat"}, Stores: []string{"files"}})
	for _, p := range problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	src, err := postgres.New("livechat", d.shop, postgres.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	store, err := objects.New("files", g.url("attachments", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	d.store = &mortal{Store: store}
	set, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	storage, err := archive.OpenStorage(t.Context(), g.url("sealed", "lethe/"), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = storage.Close() })
	controllers := map[string]dsar.Controller{}
	for key, scope := range map[string]string{"bota": "1", "fahrrad": "2", "tea": "3"} {
		controllers[key] = dsar.Controller{Key: key, Name: key, Country: "CZ", Scope: scope, Location: time.UTC, Language: "en", DPO: "dpo@bota.example"}
	}
	d.Service, err = dsar.New(dsar.Config{
		Pool: d.pool, Map: m, Sources: map[string]dsar.Source{"livechat": src}, Files: map[string]dsar.FileStore{"files": d.store},
		Controllers: controllers, PublicURL: "https://privacy.example", Keys: set, Storage: storage, Queue: queue{d.pool},
		Now: func() time.Time { return now }, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, shop
}

// upload puts the files of the shop into the bucket.
func (d *desk) upload(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if _, err := sample.WriteFiles(t.Context(), d.shop, dir); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return d.files.WriteAll(t.Context(), filepath.ToSlash(key), data, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keysOf are the keys of a contact's attachments.
func (d *desk) keysOf(t *testing.T, contact int64) []string {
	t.Helper()
	rows, err := d.shop.Query(t.Context(), `
		SELECT a.object_key FROM attachments a JOIN messages m ON m.id = a.message_id
		JOIN conversations c ON c.id = m.conversation_id WHERE c.contact_id = $1 ORDER BY a.id`, contact)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) == 0 {
		t.Fatalf("expected the contact to have attachments, got %v, %v", list, err)
	}
	return list
}

// work plays the workers; killed tells whether one died.
func (d *desk) work(t *testing.T) (died bool) {
	t.Helper()
	for {
		var w dsar.Work
		err := d.pool.QueryRow(t.Context(), `DELETE FROM test_queue WHERE n = (SELECT min(n) FROM test_queue) RETURNING kind, id, run`).Scan(&w.Kind, &w.ID, &w.Run)
		if errors.Is(err, pgx.ErrNoRows) {
			return died
		}
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if p := recover(); p == killed {
					died = true
					pgtest.Exec(t, d.pool, fmt.Sprintf(`INSERT INTO test_queue (kind, id, run) VALUES ('%s', %d, %d)`, w.Kind, w.ID, w.Run))
				} else if p != nil {
					panic(p)
				}
			}()
			if w.Kind == "letter" {
				err = d.SendLetter(t.Context(), w.ID, w.Run, d.mail)
			} else {
				err = d.RunStep(t.Context(), w.ID, w.Run)
			}
			if err != nil {
				t.Fatalf("expected every job to end well: %v", err)
			}
		}()
	}
}

// ask plays a request to its end.
func (d *desk) ask(t *testing.T, kind datamap.Kind, p sample.Person) (q dsar.Request, died bool) {
	t.Helper()
	operator := dsar.Actor{Name: "operator", All: true}
	out, err := d.Submit(t.Context(), operator, dsar.Submission{
		Controller: p.Controller, Kind: kind, Channel: "cli", Verified: "passport seen",
		Identities: []dsar.Identity{{Type: "email", Value: p.Email}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.work(t)
	if err := d.Approve(t.Context(), operator, out.ID, dsar.Approval{Rows: []string{"all"}}); err != nil {
		t.Fatal(err)
	}
	died = d.work(t)
	if q, err = d.Get(t.Context(), operator, out.ID); err != nil {
		t.Fatal(err)
	}
	if q.Status != dsar.Fulfilled {
		t.Fatalf("expected the %s to be fulfilled, it is %s: %+v", kind, q.Status, q.Steps)
	}
	return q, died
}

// attachments of the example are in the archive, and gone after an erasure, also
// when the process dies in between; nobody else's are.
func (g *gateway) attachments(t *testing.T) {
	d, shop := g.desk(t)
	access, _ := shop.Person("access")
	given := d.keysOf(t, access.Contact)
	d.ask(t, datamap.Access, access)
	var data bytes.Buffer
	link := d.mail.sent[len(d.mail.sent)-1].Link
	if err := d.Download(t.Context(), link[strings.LastIndex(link, "/")+1:], func(string, int64) io.Writer { return &data }); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, key := range given {
		want, err := d.files.ReadAll(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			if !strings.HasPrefix(f.Name, "files/files/") {
				continue
			}
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(got, want) {
				found++
			}
		}
	}
	if found != len(given) {
		t.Errorf("expected all %d attachments in the archive, found %d", len(given), found)
	}

	erased, _ := shop.Person("erasure")
	gone := d.keysOf(t, erased.Contact)
	d.store.dies = true
	q, died := d.ask(t, datamap.Erasure, erased)
	if !died {
		t.Error("expected the process to have died amid the erasure")
	}
	for _, key := range gone {
		if there, err := d.files.Exists(t.Context(), key); err != nil || there {
			t.Errorf("expected an attachment of the erased person to be gone, %v", err)
		}
	}
	for _, key := range given {
		if there, err := d.files.Exists(t.Context(), key); err != nil || !there {
			t.Errorf("expected other people's attachments to stay, %v", err)
		}
	}
	counted := int64(0)
	for _, f := range q.Findings {
		if f.Source == "files" && f.Collection == "files" {
			counted = f.Erased + f.Missing // what the killed run deleted cannot be told from what was not there
		}
	}
	if counted != int64(len(gone)) {
		t.Errorf("expected %d files on the record, got %d", len(gone), counted)
	}
}
