package sample

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// LoadCSV fills the tables from dir, which holds one file a table
// (contacts.csv, …): UTF-8, RFC 4180, a header with the table's columns in any
// order, times in UTC, empty for NULL. All or none; the files are streamed, not
// read into memory. Errors name file, line (a row's last, where texts have line
// breaks) and column, and hold nothing of the contents.
func LoadCSV(ctx context.Context, pool *pgxpool.Pool, dir string) error {
	if err := complete(dir); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL TimeZone = 'UTC'"); err != nil {
			return withoutContents(err)
		}
		for _, t := range definition() {
			if err := loadFile(ctx, tx.Conn().PgConn(), filepath.Join(dir, t.name+".csv"), t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sample: %w", withoutContents(err))
	}
	return analyse(ctx, pool)
}

// complete names every missing file at once.
func complete(dir string) error {
	var missing []string
	for _, t := range definition() {
		name := t.name + ".csv"
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("sample: the folder %s should hold %s, too", dir, strings.Join(missing, ", "))
	}
	return nil
}

func loadFile(ctx context.Context, conn *pgconn.PgConn, path string, t table) error {
	name := filepath.Base(path)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", name, pathless(err))
	}
	defer func() { _ = f.Close() }()
	columns, err := header(f, name, t.columns)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%s: %w", name, pathless(err))
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	list := strings.Join(quoted, ", ")
	sql := fmt.Sprintf("COPY %s (%s) FROM STDIN WITH (FORMAT csv, HEADER true, ENCODING 'UTF8', FORCE_NULL (%s))", pgx.Identifier{t.name}.Sanitize(), list, list)
	if _, err := conn.CopyFrom(ctx, f, sql); err != nil {
		return fmt.Errorf("%s: %w", name, withoutContents(err))
	}
	return nil
}

// header checks a file's first line against the table's columns. Names that the
// table does not have are counted, not shown: without a header they are contents.
func header(r io.Reader, name string, want []string) ([]string, error) {
	b := bufio.NewReader(r)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = b.Discard(3)
	}
	columns, err := csv.NewReader(b).Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: a line with the names of the columns is expected", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: line 1 is not a line of CSV", name)
	}
	var missing []string
	for _, c := range want {
		if !slices.Contains(columns, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: line 1 should name the columns %s, and does not name %s", name, strings.Join(want, ", "), strings.Join(missing, ", "))
	}
	if len(columns) != len(want) {
		return nil, fmt.Errorf("%s: line 1 names %d columns that are not expected or stand twice; expected are %s", name, len(columns)-len(want), strings.Join(want, ", "))
	}
	return columns, nil
}

var copyLine = regexp.MustCompile(`^COPY \w+, line (\d+)(?:, column (\w+))?`)

// loadError is what is kept of a Postgres error: where and which, not what.
type loadError struct{ line, column, constraint, code string }

func (e *loadError) Error() string {
	var parts []string
	if e.line != "" {
		parts = append(parts, "line "+e.line)
	}
	if e.column != "" {
		parts = append(parts, "column "+e.column)
	}
	if e.constraint != "" {
		parts = append(parts, "constraint "+e.constraint)
	}
	why := map[string]string{
		"22P02": "a value is not of the column's type", "22007": "a value is not a time", "22008": "a time is out of range",
		"22P04": "the line does not have the header's number of columns, or a quote is not closed", "22021": "the text is not UTF-8",
		"23502": "a value is needed", "23503": "it names a row that is not there", "23505": "the key is there already", "23514": "a value is not admitted",
		"42P01": "the table is not there: run schema.sql first", "42703": "the table does not have this column",
	}[e.code]
	if why == "" {
		why = "it could not be loaded"
	}
	return strings.TrimPrefix(strings.Join(parts, ", ")+": "+why+" (SQLSTATE "+e.code+")", ": ")
}

// withoutContents keeps where an error of Postgres happened; its message and its
// context quote values.
func withoutContents(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	out := &loadError{code: e.Code, constraint: e.ConstraintName, column: e.ColumnName}
	if m := copyLine.FindStringSubmatch(e.Where); m != nil {
		out.line = m[1]
		if m[2] != "" {
			out.column = m[2]
		}
	}
	return out
}

// pathless drops the path of a file's error: the file's name stands before it.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
