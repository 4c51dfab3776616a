package datamap

import (
	"bytes"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// The limits of one file. They stand before the parser because it is there that
// a small file can cost a lot: 80 kB of "[" took 26 s, a quarter of a million
// keys in one mapping more than a minute. Tokens come in linear time.
const (
	maxBytes = 1 << 20
	maxDepth = 64
	maxKeys  = 4000 // of one mapping
)

// guard turns a file into tokens, or says why it is not read at all.
func guard(file string, data []byte, out *problems) (token.Tokens, bool) {
	start := Pos{File: file, Line: 1, Column: 1}
	if len(data) > maxBytes {
		out.fail(start, "the file is larger than 1 MiB; split it, `datamap:` takes a list of files")
		return nil, false
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		out.fail(start, "the file is not UTF-8 text")
		return nil, false
	}
	if !indented(file, data, out) {
		return nil, false
	}
	tokens := lexer.Tokenize(string(data))
	return tokens, bounded(file, tokens, out)
}

// indented reports tabs that stand where YAML wants spaces, every line of them.
func indented(file string, data []byte, out *problems) bool {
	good := true
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		text := bytes.TrimLeft(line, " \t\r")
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if tab := bytes.IndexByte(line[:len(line)-len(text)], '\t'); tab >= 0 {
			out.fail(Pos{file, n, tab + 1}, "a tab cannot indent in YAML; use spaces")
			good = false
		}
	}
	return good
}

// bounded counts levels and keys, and finds aliases, without parsing.
func bounded(file string, tokens token.Tokens, out *problems) bool {
	type level struct{ column, keys int }
	var (
		block []level // columns at which block mappings and lists stand open
		flow  int     // open brackets
	)
	for i, tk := range tokens {
		column, key := 0, false
		switch tk.Type {
		case token.AliasType:
			out.fail(at(file, tk), "aliases (*name) and merge keys are not read in a data map; write the value out")
			return false
		case token.DocumentHeaderType, token.DocumentEndType:
			block, flow = block[:0], 0
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType:
			column = tk.Position.Column
		case token.MappingKeyType:
			column, key = tk.Position.Column, true
		case token.MappingValueType:
			if i > 0 {
				column, key = tokens[i-1].Position.Column, true
			}
		}
		if column > 0 && flow == 0 {
			for len(block) > 0 && block[len(block)-1].column > column {
				block = block[:len(block)-1]
			}
			if len(block) == 0 || block[len(block)-1].column < column {
				block = append(block, level{column: column})
			}
			if key {
				block[len(block)-1].keys++
			}
			if block[len(block)-1].keys > maxKeys {
				out.fail(at(file, tk), "more than %d keys in one mapping", maxKeys)
				return false
			}
		}
		if len(block)+flow > maxDepth {
			out.fail(at(file, tk), "nested more than %d levels deep", maxDepth)
			return false
		}
	}
	return true
}

func at(file string, tk *token.Token) Pos {
	if tk == nil || tk.Position == nil {
		return Pos{File: file, Line: 1, Column: 1}
	}
	return Pos{File: file, Line: tk.Position.Line, Column: max(1, tk.Position.Column)}
}
