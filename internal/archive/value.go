package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// timeLayout is RFC 3339 with as many digits after the second as there are.
const timeLayout = time.RFC3339Nano

// text is a value as the CSV and the page show it; numeric tells whether it is
// a number by type, and null whether it is NULL. An unknown type is an error
// that names the type, never the value.
func text(v any) (s string, numeric, null bool, err error) {
	switch v := v.(type) {
	case nil:
		return "", false, true, nil
	case string:
		return v, false, false, nil
	case bool:
		return strconv.FormatBool(v), true, false, nil
	case int64:
		return strconv.FormatInt(v, 10), true, false, nil
	case int32:
		return strconv.FormatInt(int64(v), 10), true, false, nil
	case int:
		return strconv.Itoa(v), true, false, nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), !math.IsNaN(v) && !math.IsInf(v, 0), false, nil
	case json.Number:
		return v.String(), isNumber(v.String()), false, nil
	case time.Time:
		return v.UTC().Format(timeLayout), true, false, nil
	case json.RawMessage:
		if v == nil {
			return "", false, true, nil
		}
		return string(v), isNumber(string(v)), false, nil
	case inFile:
		return v.path, false, false, nil
	}
	return "", false, false, fmt.Errorf("a value of type %T has no form in an archive", v)
}

// isNumber tells whether s is a number of JSON: what a json.Number may hold
// otherwise ("NaN", a whole formula from a careless driver) is text.
func isNumber(s string) bool {
	if s == "" || strings.ContainsAny(s[:1], "{[\"tfn") || strings.ContainsAny(s, " \t\r\n") {
		return false
	}
	return json.Valid([]byte(s))
}

// appendJSON appends a value's JSON.
func appendJSON(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
		return nil
	case bool:
		b.WriteString(strconv.FormatBool(v))
		return nil
	case json.RawMessage:
		if v == nil {
			b.WriteString("null")
			return nil
		}
		if json.Valid(v) {
			return json.Compact(b, v)
		}
		return appendString(b, string(v))
	case time.Time:
		return appendString(b, v.UTC().Format(timeLayout))
	case inFile:
		b.WriteString(`{"file": `)
		err := appendString(b, v.path)
		b.WriteByte('}')
		return err
	}
	s, numeric, _, err := text(v)
	if err != nil {
		return err
	}
	if numeric {
		b.WriteString(s)
		return nil
	}
	return appendString(b, s)
}

// appendString appends a JSON string. Encode and not Marshal: < and & stay
// readable, the file is not HTML.
func appendString(b *bytes.Buffer, s string) error {
	if plainText(s) {
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return nil
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the newline that Encode adds
	return nil
}

// plainText tells whether s is its own JSON, but for the quotes: most values are.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// jsonRows writes an array of objects, one a line, in the fields' order.
type jsonRows struct {
	w    io.Writer
	keys [][]byte // `"name":`
	buf  bytes.Buffer
	any  bool
}

func newJSONRows(w io.Writer, fields []Column) *jsonRows {
	j := &jsonRows{w: w}
	for _, f := range fields {
		var b bytes.Buffer
		_ = appendString(&b, f.Name) // a string always encodes
		b.WriteString(": ")
		j.keys = append(j.keys, b.Bytes())
	}
	return j
}

func (j *jsonRows) row(values []any) error {
	j.buf.Reset()
	if j.any {
		j.buf.WriteString(",\n  {")
	} else {
		j.buf.WriteString("[\n  {")
	}
	for i, v := range values {
		if i > 0 {
			j.buf.WriteString(", ")
		}
		j.buf.Write(j.keys[i])
		if err := appendJSON(&j.buf, v); err != nil {
			return fmt.Errorf("field %d: %w", i+1, err)
		}
	}
	j.buf.WriteByte('}')
	j.any = true
	_, err := j.w.Write(j.buf.Bytes())
	return err
}

func (j *jsonRows) close() error {
	end := "\n]\n"
	if !j.any {
		end = "[]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}
