package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits of one file. They stand before the parser because it is there that
// a small file can cost a lot: 80 kB of "[" took 26 s, a quarter of a million
// keys in one mapping more than a minute. Tokens come in linear time.
const (
	maxMiB    = 1
	maxLevels = 64
	maxKeys   = 4000 // of one mapping
)

const unreadable = "this is not YAML that can be read"

// Tokens turns a file into tokens, or says why it is not read at all: too large,
// not text, indented by tabs, too deep, too many keys in one mapping.
func Tokens(file string, data []byte) (token.Tokens, []Problem) {
	return TokensWithin(file, data, maxMiB)
}

// TokensWithin is Tokens with a limit of its own, in MiB.
func TokensWithin(file string, data []byte, limit int) (token.Tokens, []Problem) {
	start := func(message string) []Problem {
		return []Problem{{File: file, Line: 1, Column: 1, Message: message}}
	}
	if len(data) > limit<<20 {
		return nil, start(fmt.Sprintf("the file is larger than %d MiB", limit))
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if i := noText(data); i >= 0 {
		p := Problem{File: file, Line: 1 + bytes.Count(data[:i], []byte("\n")), Message: "the file is not UTF-8 text; save it as UTF-8"}
		p.Column = 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:i], '\n')+1:i])
		return nil, []Problem{p}
	}
	// The library counts some lines twice that end in CR LF. To YAML both are one break.
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if list := tabs(file, data); len(list) > 0 {
		return nil, list
	}
	tokens := lexer.Tokenize(string(data))
	if tk, message := bounded(tokens); message != "" {
		return nil, []Problem{at(file, tk, message)}
	}
	return tokens, nil
}

// noText is the first byte that is no UTF-8, or NUL, which no text holds; -1 if there is none.
func noText(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// Parse makes a syntax tree of tokens. A key that stands twice is left to the
// reader, who can say which. What the YAML library cannot read, or panics on, is
// a fault of the file; its message may quote the line and is left out.
func Parse(file string, tokens token.Tokens) (tree *ast.File, problem *Problem) {
	defer func() {
		if recover() != nil {
			tree, problem = nil, &Problem{File: file, Line: 1, Column: 1, Message: unreadable}
		}
	}()
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return tree, nil
	}
	p := Problem{File: file, Line: 1, Column: 1, Message: unreadable}
	var y yaml.Error
	if errors.As(err, &y) {
		p = at(file, y.GetToken(), unreadable+hint(y.GetMessage()))
	}
	return nil, &p
}

// hint says what mostly lies behind a message of the YAML library.
func hint(message string) string {
	for _, h := range []struct{ of, says string }{
		{"mapping value is not allowed", "a text that holds a colon and a space needs quotes, or a line here or below is indented too far"},
		{"value is not allowed in this context", "the line is indented by too many or too few spaces, or a text goes on behind its quotes"},
		{"unexpected key name", "a key needs a colon and a space behind it"},
		{"non-map value is specified", "a key needs a colon and a space behind it"},
		{"must be specified", "a comma or a closing bracket is missing before this"},
		{"could not find flow map", "this brace is not closed"},
		{"sequence end token", "this bracket is not closed"},
		{"could not find end character", "this quotation mark is not closed"},
		{"is a reserved character", "a text that begins like this needs quotes"},
		{"unknown escape character", "in double quotes a backslash means something else; use single quotes"},
	} {
		if strings.Contains(message, h.of) {
			return ": " + h.says
		}
	}
	return ""
}

// blockText is the end of a line that begins a block of text (description: |), whose
// own lines may hold tabs.
var blockText = regexp.MustCompile(`(^|[:\-\s])\s*[|>][-+0-9]{0,2}\s*(#.*)?$`)

// tabs reports tabs that stand where YAML wants spaces, the first twenty lines of them.
func tabs(file string, data []byte) (list []Problem) {
	block := -1 // the spaces before the line that began a block of text
	for n := 1; len(data) > 0 && len(list) < 20; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		text := bytes.TrimLeft(line, " \t\r")
		spaces := len(line) - len(bytes.TrimLeft(line, " "))
		if len(text) == 0 || block >= 0 && spaces > block {
			continue
		}
		block = -1
		if text[0] == '#' {
			continue
		}
		if blockText.Match(line) {
			block = spaces
		}
		if tab := bytes.IndexByte(line[:len(line)-len(text)], '\t'); tab >= 0 {
			list = append(list, Problem{File: file, Line: n, Column: tab + 1, Message: "a tab cannot indent in YAML; use spaces"})
		}
	}
	return list
}

// bounded counts levels and keys without parsing. A block level is known by its
// column, a flow level by its bracket.
func bounded(tokens token.Tokens) (*token.Token, string) {
	type level struct{ column, keys int }
	var (
		block []level // columns at which block mappings and lists stand open
		flow  []int   // keys of each open bracket
	)
	for i, tk := range tokens {
		column, key := 0, false
		switch tk.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			block, flow = block[:0], flow[:0]
		case token.SequenceStartType, token.MappingStartType:
			flow = append(flow, 0)
		case token.SequenceEndType, token.MappingEndType:
			flow = flow[:max(0, len(flow)-1)]
		case token.SequenceEntryType:
			column = tk.Position.Column
		case token.MappingKeyType:
			column, key = tk.Position.Column, true
		case token.MappingValueType:
			if i > 0 {
				column, key = tokens[i-1].Position.Column, true
			}
		}
		keys := 0
		switch {
		case len(flow) > 0:
			if key {
				flow[len(flow)-1]++
			}
			keys = flow[len(flow)-1]
		case column > 0:
			for len(block) > 0 && block[len(block)-1].column > column {
				block = block[:len(block)-1]
			}
			if len(block) == 0 || block[len(block)-1].column < column {
				block = append(block, level{column: column})
			}
			if key {
				block[len(block)-1].keys++
			}
			keys = block[len(block)-1].keys
		}
		if keys > maxKeys {
			return tk, fmt.Sprintf("more than %d keys in one mapping", maxKeys)
		}
		if len(block)+len(flow) > maxLevels {
			return tk, fmt.Sprintf("nested more than %d levels deep", maxLevels)
		}
	}
	return nil, ""
}

// at is a problem where a token stands.
func at(file string, tk *token.Token, message string) Problem {
	p := Problem{File: file, Line: 1, Column: 1, Message: message}
	if tk != nil && tk.Position != nil {
		p.Line, p.Column = tk.Position.Line, max(1, tk.Position.Column)
	}
	return p
}
