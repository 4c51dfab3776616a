package sample

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// WriteFiles makes the files that the shop's attachments name: small, real and
// invented, in a folder, under their keys. It says how many.
func WriteFiles(ctx context.Context, pool *pgxpool.Pool, dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("sample: the folder for attachments: %w", err)
	}
	rows, err := pool.Query(ctx, `SELECT id, object_key FROM attachments ORDER BY id`)
	if err != nil {
		return 0, fmt.Errorf("sample: read attachments: %w", withoutContents(err))
	}
	var id int64
	var key string
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &key}, func() error {
		if !filepath.IsLocal(key) {
			return fmt.Errorf("attachment %d: its key is no path below a folder", id)
		}
		data, err := content(id, strings.ToLower(path.Ext(key)))
		if err != nil {
			return err
		}
		at := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return fmt.Errorf("attachment %d: its folder cannot be made", id)
		}
		if err := os.WriteFile(at, data, 0o600); err != nil {
			return fmt.Errorf("attachment %d: it cannot be written", id)
		}
		n++
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sample: %w", withoutContents(err))
	}
	return n, nil
}

// content is a file of a kind; the number makes it its own.
func content(id int64, extension string) ([]byte, error) {
	switch extension {
	case ".pdf":
		return page(fmt.Sprintf("A made-up document, number %d", id)), nil
	case ".jpg", ".jpeg":
		return photo(id)
	}
	return fmt.Appendf(nil, "A made-up file, number %d\n", id), nil
}

// page is a PDF of one page with one line.
func page(line string) []byte {
	var b bytes.Buffer
	var at []int
	b.WriteString("%PDF-1.4\n")
	text := "BT /F1 18 Tf 72 760 Td (" + line + ") Tj ET"
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, table)
	return b.Bytes()
}

// photo is a picture of two colours.
func photo(id int64) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	shade := uint8(id * 37 % 256) //nolint:gosec // any shade will do
	for y := range 48 {
		for x := range 64 {
			c := color.RGBA{R: shade, G: 160, B: 255 - shade, A: 255}
			if (x-32)*(x-32)+(y-24)*(y-24) < 256 {
				c = color.RGBA{R: 250, G: 220, B: 120, A: 255}
			}
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
