package dsar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/objects"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const deskMap = `
dataset:
  - fides_key: shop
    name: Shop
    lethe: {source: shop, basis: b}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: papers
        lethe: {order: [id]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: person, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: scan, data_categories: [user.content], lethe: {object: attic}}
`

const deskTables = `
CREATE TABLE people (id int PRIMARY KEY, mail text);
CREATE TABLE papers (id int PRIMARY KEY, person int REFERENCES people, scan text);
CREATE INDEX ON people (lower(mail)); CREATE INDEX ON papers (person); CREATE INDEX ON papers (scan);
INSERT INTO people VALUES (1, 'pavla@example.org'), (2, 'karel@example.org');
INSERT INTO papers VALUES (1, 1, 'pavla-ng/1/photo.jpg'), (2, 1, 'both/contract.pdf'), (3, 2, 'both/contract.pdf'), (4, 1, 'pavla-ng/lost.pdf'), (5, 2, 'karel/cv.pdf');`

// faulty is a store that fails when told to, or dies after it has deleted.
type faulty struct {
	FileStore
	mu        sync.Mutex
	down      error
	dies      bool
	deletions int
}

func (f *faulty) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return nil, f.down
	}
	return f.FileStore.Open(ctx, key)
}

func (f *faulty) Delete(ctx context.Context, keys []string) (source.Deleted, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deletions++
	if f.down != nil {
		return source.Deleted{}, f.down
	}
	done, err := f.FileStore.Delete(ctx, keys)
	if f.dies && err == nil {
		f.dies = false
		panic(killed)
	}
	return done, err
}

// namer is mortal over a source that can say which files its rows name.
type namer struct {
	*mortal
	Namer
}

type deskBundle struct {
	*workBundle
	shop  *pgxpool.Pool
	dir   string
	store *faulty
	dying *mortal
}

// newDesk is a shop whose papers lie as files in a folder.
func newDesk(t *testing.T, wrap func(FileStore) FileStore) *deskBundle {
	t.Helper()
	d := &deskBundle{shop: pgtest.Empty(t), dir: t.TempDir()}
	pgtest.Exec(t, d.shop, deskTables)
	for _, key := range []string{"pavla-ng/1/photo.jpg", "both/contract.pdf", "karel/cv.pdf"} {
		path := filepath.Join(d.dir, key)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("bytes of "+key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	real, err := postgres.New("shop", d.shop, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var folder FileStore
	if folder, err = objects.New("attic", "file://"+d.dir); err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		folder = wrap(folder)
	}
	d.store = &faulty{FileStore: folder}
	d.dying = &mortal{Source: real}
	d.workBundle = newWorkWith(t, deskMap, map[string]Source{"shop": namer{d.dying, real}}, map[string]FileStore{"attic": d.store})
	return d
}

// files lists what is left in the folder.
func (d *deskBundle) files(t *testing.T) string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && path != d.dir {
			rel, _ := filepath.Rel(d.dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

const afterwards = "both both/contract.pdf karel karel/cv.pdf" // the person's own folder went, too

func TestFilesAreGiven(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	id := d.approved(t, datamap.Access, "pavla@example.org")
	d.worked(t)
	d.expectStatus(t, id, Fulfilled)
	data, err := d.download(t, d.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, data)
	for name, want := range map[string]string{
		"files/attic/1-photo.jpg": "bytes of pavla-ng/1/photo.jpg", "files/attic/2-contract.pdf": "bytes of both/contract.pdf",
	} {
		if files[name] != want || !strings.Contains(files["manifest.json"], name) || !strings.Contains(files["index.html"], name) {
			t.Errorf("expected %s to hold %q, in the manifest and linked; got %q", name, want, files[name])
		}
	}
	for name := range files {
		if strings.Contains(name, "cv.pdf") {
			t.Errorf("expected no file of another person, found %s", name)
		}
	}
	said := false
	for _, e := range d.get(t, id).Timeline {
		said = said || strings.Contains(e.Text, "1 file that rows name could not be found")
	}
	if !said || !strings.Contains(strings.Join(strings.Fields(files["letter.txt"]), " "), "not found") {
		t.Error("expected letter and time line to say that a file is missing")
	}
	if got := d.files(t); !strings.Contains(got, "photo.jpg") {
		t.Errorf("expected an access to delete nothing, %s is left", got)
	}
	expectNowhere(t, d.dump(t), "pavla-ng", "photo.jpg")
}

// A process may die after the source's commit, and after files were deleted: each
// time the next run goes on, and nothing of the keys is ever readable.
func TestFilesGoThoughTheProcessDies(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*deskBundle){
		"after the commit": func(d *deskBundle) { d.dying.dies = true },
		"amid the files":   func(d *deskBundle) { d.store.dies = true },
		"never":            func(*deskBundle) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			die(d)
			id := d.approved(t, datamap.Erasure, "pavla@example.org")
			if errs := d.work(t); len(errs) > 1 || name != "never" && len(errs) != 1 {
				t.Fatalf("expected one killed job, got %v", errs)
			}
			if name == "after the commit" && !strings.Contains(d.files(t), "photo.jpg") {
				t.Fatal("expected the files to be there still: the process died before")
			}
			if name != "never" {
				expectNowhere(t, d.dump(t), "pavla-ng", "photo.jpg")
				if err := d.run(t, d.job(t, id, "erase", "shop")); err != nil {
					t.Fatal(err)
				}
				d.worked(t)
			}
			q := d.expectStatus(t, id, Fulfilled)
			if got := d.files(t); got != afterwards {
				t.Errorf("expected %s to be left, got %s", afterwards, got)
			}
			f := findingIn(t, q.Findings, "files")
			gone := int64(1)
			if name == "amid the files" { // what the killed run deleted cannot be told from what was not there
				gone = 0
			}
			if f.Source != "attic" || f.Rows != 2 || f.Erased != gone || f.Missing != 2-gone || f.Shared != 1 {
				t.Errorf("expected %d file gone, %d missing, and one left that another person's row names, got %+v", gone, 2-gone, f)
			}
			if l := d.mail.one(t, "erased"); strings.Contains(strings.Join(l.Kept, " "), "files") {
				t.Errorf("expected a file that was not there not to be told as left, got %q", l.Kept)
			}
			expectNowhere(t, d.dump(t), "pavla-ng", "photo.jpg")
			var left int
			if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM step_files`).Scan(&left); err != nil || left != 0 {
				t.Errorf("expected no keys to be kept, %d pieces are, %v", left, err)
			}
		})
	}
}

// A folder takes "both/contract.pdf" and "/both/contract.pdf" for one file: it
// stays where another person's row names it, however that is spelt.
func TestAFileUnderTwoSpellingsStays(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	pgtest.Exec(t, d.shop, `UPDATE papers SET scan = '/' || scan WHERE id IN (1, 3); INSERT INTO papers VALUES (6, 2, '/pavla-ng/lost.pdf'), (7, 1, 'pavla-ng//1/photo.jpg')`)
	pgtest.Exec(t, d.shop, `UPDATE papers SET scan = 'both//contract.pdf' WHERE id = 3`)
	id := d.approved(t, datamap.Erasure, "pavla@example.org")
	d.worked(t)
	q := d.expectStatus(t, id, Fulfilled)
	if got := d.files(t); got != afterwards {
		t.Errorf("expected %s to be left, got %s", afterwards, got)
	}
	if f := findingIn(t, q.Findings, "files"); f.Erased != 1 || f.Missing != 0 || f.Shared != 2 {
		t.Errorf("expected one file gone and two left that another person's rows name, got %+v", f)
	}
}

// A bucket may take "a//b" for "a/b", or hold both: neither is passed over for the other.
func TestSpellingsThatMayBeTwoFiles(t *testing.T) {
	t.Parallel()
	keys := []string{"a//b.pdf", "a/b.pdf", "a/b.pdf"}
	store := &oneWay{}
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(deskMap)}}, datamap.ParseOptions{})
	if m == nil {
		t.Fatal(problems)
	}
	s := &Service{c: Config{Map: m}}
	still, _, err := s.deleteFiles(t.Context(), "attic", store, keys)
	if err != nil || len(still) != 0 || !slices.Equal(store.deleted, keys[:2]) {
		t.Errorf("expected both files to go, each once, got %q, %v, %v", store.deleted, still, err)
	}
}

// A file that goes under one name is not told as missing under another.
func TestAFileThatWentIsNotMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"scan.pdf", "photo.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("scan.pdf", filepath.Join(dir, "link.pdf")); err != nil {
		t.Fatal(err)
	}
	store, err := objects.New("attic", "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // nothing was written
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(deskMap)}}, datamap.ParseOptions{})
	if m == nil {
		t.Fatal(problems)
	}
	s := &Service{c: Config{Map: m}}
	still, done, err := s.deleteFiles(t.Context(), "attic", store, []string{"link.pdf", "scan.pdf", ".//photo.jpg", "photo.jpg", "gone.pdf"})
	if err != nil || len(still) != 0 || done.Gone != 2 || done.Missing != 1 {
		t.Errorf("expected two files to go and one to be missing, got %+v, %v, %v", done, still, err)
	}
}

// oneWay is a store in which a careless spelling may mean the tidy one.
type oneWay struct {
	FileStore
	deleted []string
}

func (*oneWay) Alike(key string) []string {
	if tidy := path.Clean(key); tidy != key {
		return []string{tidy}
	}
	return nil
}

func (o *oneWay) Delete(_ context.Context, keys []string) (source.Deleted, error) {
	o.deleted = append(o.deleted, keys...)
	return source.Deleted{Gone: int64(len(keys))}, nil
}

// What a link shows outside of the folder is neither given nor erased, and is
// not told as missing: somebody must look at it.
func TestALinkOutOfTheFolder(t *testing.T) {
	t.Parallel()
	for kind, stage := range map[datamap.Kind]string{datamap.Access: "archive", datamap.Erasure: "erase"} {
		d := newDesk(t, nil)
		theirs := filepath.Join(t.TempDir(), "theirs.pdf")
		link := filepath.Join(d.dir, "pavla-ng", "lost.pdf")
		if err := errors.Join(os.WriteFile(theirs, []byte("not ours"), 0o600), os.Symlink(theirs, link)); err != nil {
			t.Fatal(err)
		}
		id := d.approved(t, kind, "pavla@example.org")
		var perm *Permanent
		if errs := d.work(t); len(errs) != 1 || !errors.As(errs[0], &perm) {
			t.Fatalf("%s: expected the step to wait for somebody, got %v", kind, errs)
		}
		src := map[string]string{"erase": "shop"}[stage]
		st := d.step(t, id, stage, src)
		if !strings.Contains(st.Message, "a link that leads out of its folder") {
			t.Errorf("%s: expected a sentence about the link, got %q", kind, st.Message)
		}
		expectNowhere(t, st.Message, "pavla", "theirs", d.dir)
		if err := errors.Join(os.Remove(link), d.Retry(t.Context(), dpo, id)); err != nil {
			t.Fatal(err)
		}
		d.worked(t)
		d.expectStatus(t, id, Fulfilled)
		if got, err := os.ReadFile(theirs); err != nil || string(got) != "not ours" {
			t.Errorf("%s: expected the file outside to be left alone, got %q, %v", kind, got, err)
		}
	}
}

// refusal is a store that does not let us.
type refusal struct{}

func (refusal) Error() string { return "refused" }
func (refusal) Denied() bool  { return true }

func TestAStoreInTrouble(t *testing.T) {
	t.Parallel()
	for _, kind := range []datamap.Kind{datamap.Access, datamap.Erasure} {
		for name, down := range map[string]error{"down": errors.New("no route to pavla-ng/1/photo.jpg"), "denied": refusal{}} {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, nil)
				d.store.down = down
				id := d.approved(t, kind, "pavla@example.org")
				errs := d.work(t)
				var perm *Permanent
				if len(errs) != 1 || errors.As(errs[0], &perm) != (name == "denied") {
					t.Fatalf("expected one error, permanent only where the store refuses; got %v", errs)
				}
				stage, src := "erase", "shop"
				if kind == datamap.Access {
					stage, src = "archive", ""
				}
				st := d.step(t, id, stage, src)
				if !strings.Contains(st.Message, "store of files attic") {
					t.Errorf("expected a sentence about the store, got %q", st.Message)
				}
				expectNowhere(t, errs[0].Error()+st.Message, "pavla")
				d.store.down = nil
				if name == "denied" {
					if err := d.Retry(t.Context(), dpo, id); err != nil {
						t.Fatal(err)
					}
				} else if err := d.run(t, d.job(t, id, stage, src)); err != nil {
					t.Fatal(err)
				}
				d.worked(t)
				d.expectStatus(t, id, Fulfilled)
				if got := d.files(t); kind == datamap.Erasure && got != afterwards {
					t.Errorf("expected %s to be left, got %s", afterwards, got)
				}
			})
		}
	}
}

// countless is a store that has whatever it is asked for.
type countless struct{ FileStore }

func (countless) Delete(_ context.Context, keys []string) (source.Deleted, error) {
	if len(keys) > keysInPiece {
		return source.Deleted{}, errors.New("too many keys at once")
	}
	return source.Deleted{Gone: int64(len(keys))}, nil
}

// Very many files go in pieces, over several runs that cost no attempt.
func TestManyFilesGo(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(f FileStore) FileStore { return countless{f} })
	const many = 12_345
	pgtest.Exec(t, d.shop, fmt.Sprintf(`INSERT INTO papers SELECT 100 + n, 1, 'pavla-ng/' || n FROM generate_series(1, %d) n`, many))
	id := d.approved(t, datamap.Erasure, "pavla@example.org")
	errs := d.work(t)
	if len(errs) != 1 || !errors.Is(errs[0], ErrMore) {
		t.Fatalf("expected the first run to stop for others' turn, got %v", errs)
	}
	if st := d.step(t, id, "erase", "shop"); st.Status != "waiting" || st.Message != "" {
		t.Errorf("expected the step to wait without a complaint, it is %s: %q", st.Status, st.Message)
	}
	if err := d.run(t, d.job(t, id, "erase", "shop")); err != nil {
		t.Fatal(err)
	}
	d.worked(t)
	q := d.expectStatus(t, id, Fulfilled)
	if f := findingIn(t, q.Findings, "files"); f.Erased != many+2 || f.Missing != 0 {
		t.Errorf("expected %d files gone on the record, got %+v", many+2, f)
	}
}

func TestAStoreThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	c := Config{Map: &datamap.Map{}, Files: nil}
	if err := c.checkFiles(); err != nil {
		t.Errorf("expected a map without files to need no store, got %v", err)
	}
	d := newDesk(t, nil)
	c = d.c
	c.Files = nil
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "attic") {
		t.Errorf("expected the missing store to be named, got %v", err)
	}
}

// What the DPO has go on by a data map that has lost what names files, or without
// a source, calls no file nobody's: others' rows name some of those that wait.
func TestFilesWaitForWhoeverNamesThem(t *testing.T) {
	t.Parallel()
	const note = `
dataset:
  - fides_key: till
    name: Till
    lethe: {source: till, basis: b}
    collections:
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
`
	unnamed := strings.Replace(deskMap, ", lethe: {object: attic}", "", 1)
	for name, to := range map[string]struct {
		yaml    string
		without bool
		says    string
	}{
		"a map that names no files": {unnamed + note[len("\ndataset:\n"):], false, "no longer says which rows name files in the store attic"},
		"a source that is gone":     {note, true, "source shop is no longer in lethe.yaml, and files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			till := pgtest.Empty(t)
			pgtest.Exec(t, till, `CREATE TABLE notes (id int PRIMARY KEY, mail text); CREATE INDEX ON notes (lower(mail));`)
			src, err := postgres.New("till", till, postgres.Options{})
			if err != nil {
				t.Fatal(err)
			}
			both := map[string]Source{"shop": d.c.Sources["shop"], "till": src}
			d.restarted(t, deskMap+note[len("\ndataset:\n"):], both)
			id := d.approved(t, datamap.Erasure, "pavla@example.org")
			d.store.down = errors.New("away")
			d.work(t)
			now := both
			if to.without {
				now = without(both, "shop")
			}
			d.restarted(t, to.yaml, now)
			d.store.down = nil
			_ = d.run(t, d.job(t, id, "erase", "shop"))
			if st := d.step(t, id, "erase", "shop"); st.Error != codeChanged {
				t.Fatalf("expected the changed map to be told, the step is %s: %s", st.Status, st.Message)
			}
			if err := d.Retry(t.Context(), dpo, id); err != nil {
				t.Fatal(err)
			}
			d.work(t)
			if st := d.step(t, id, "erase", "shop"); st.Status != "failed" || !strings.Contains(st.Message, to.says) {
				t.Errorf("expected the step to say what it lacks, it is %s: %s", st.Status, st.Message)
			}
			if !strings.Contains(d.files(t), "both/contract.pdf") {
				t.Error("expected another person's file to be left")
			}
			d.restarted(t, deskMap+note[len("\ndataset:\n"):], both)
			if err := d.Retry(t.Context(), dpo, id); err != nil {
				t.Fatal(err)
			}
			d.work(t)
			if st := d.step(t, id, "erase", "shop"); st.Error == codeChanged {
				if err := d.Retry(t.Context(), dpo, id); err != nil {
					t.Fatal(err)
				}
				d.work(t)
			}
			d.expectStatus(t, id, Fulfilled)
			if got := d.files(t); got != afterwards {
				t.Errorf("expected %s to be left, got %s", afterwards, got)
			}
		})
	}
}

// slow is a store that deletes once something else has happened.
type slow struct {
	FileStore
	until func()
}

func (s *slow) Delete(ctx context.Context, keys []string) (source.Deleted, error) {
	s.until()
	return s.FileStore.Delete(ctx, keys)
}

// A store that takes its time keeps nobody else of a company waiting.
func TestFilesInCompany(t *testing.T) {
	t.Parallel()
	store := &slow{}
	d := newDesk(t, func(f FileStore) FileStore { store.FileStore = f; return store })
	pgtest.Exec(t, d.shop, `INSERT INTO people VALUES (3, 'ester@example.org')`)
	karel := d.submit(t, dpo, verified(ask(datamap.Erasure, "email", "karel@example.org"))).ID
	ester := d.submit(t, dpo, verified(ask(datamap.Erasure, "email", "ester@example.org"))).ID
	d.worked(t)
	if err := errors.Join(d.ApproveMany(t.Context(), dpo, []int64{karel, ester})...); err != nil {
		t.Fatal(err)
	}
	store.until = func() {
		for range 1000 {
			if d.step(t, ester, "erase", "shop").Status == "done" {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Error("expected the other's erasure to end meanwhile")
	}
	if err := d.run(t, d.job(t, karel, "erase", "shop")); err != nil {
		t.Fatal(err)
	}
	d.worked(t)
	d.expectStatus(t, karel, Fulfilled)
	d.expectStatus(t, ester, Fulfilled)
}
