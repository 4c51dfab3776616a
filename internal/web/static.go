package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
)

//go:embed static
var staticFiles embed.FS

// static serves the stylesheets and pictures. A browser keeps them and asks
// whether they have changed: their ETag is a digest of them all.
func (s *server) static() http.Handler {
	tag := `"` + staticDigest() + `"`
	files := http.FileServerFS(staticFiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path[len(r.URL.Path)-1] == '/' { // no listings
			s.fail(w, r, errNowhere)
			return
		}
		w.Header().Set("Cache-Control", "public, no-cache")
		w.Header().Set("ETag", tag)
		files.ServeHTTP(w, r)
	})
}

func staticDigest() string {
	h := sha256.New()
	// The files are compiled in: reading them cannot fail.
	_ = fs.WalkDir(staticFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := staticFiles.ReadFile(name)
		h.Write([]byte(name))
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:12])
}
