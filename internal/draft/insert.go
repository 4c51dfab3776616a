package draft

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// An item to be added at the end of a list of a file.
type item struct {
	block string   // as lines of a block list, each after its indent
	flow  string   // in braces
	why   []string // the comment of the flow form; the block holds its own
}

// An edit adds items at the end of one list.
type edit struct {
	list  datamap.List
	items []item
}

// insertion is text and where it goes.
type insertion struct {
	offset int
	deep   int // of two at one place the deeper list's goes first
	text   string
}

var errUnclear = errors.New("a list does not end where its brackets or its indent say")

// insert adds items to a file. No byte that stands there is changed: what people
// wrote, their comments and their order stay because nothing is written anew.
func insert(data []byte, edits []edit) ([]byte, error) {
	text := bytes.SplitAfter(data, []byte("\n"))
	var all []insertion
	for _, e := range edits {
		var one insertion
		var ok bool
		if e.list.Flow {
			one, ok = inFlow(text, data, e)
		} else {
			one, ok = inBlock(text, e)
		}
		if !ok {
			return nil, errUnclear
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b insertion) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(b.deep, a.deep))
	})
	var out bytes.Buffer
	at := 0
	for _, one := range all {
		out.Write(data[at:one.offset])
		at = one.offset
		if one.deep > 0 && out.Len() > 0 && out.Bytes()[out.Len()-1] != '\n' {
			out.WriteByte('\n') // the last line of the file had no end
		}
		out.WriteString(one.text)
	}
	out.Write(data[at:])
	return out.Bytes(), nil
}

// inBlock finds the line behind the last item of a block list. The item's lines
// are those that are indented deeper than the list's dashes. Comments right
// behind it, as deep as the dashes or deeper, are the item's: somebody may have
// taken a field out by a "#".
func inBlock(text [][]byte, e edit) (insertion, bool) {
	dash := e.list.Column - 1
	if e.list.Line < 1 || e.list.Line > len(text) || dash < 0 {
		return insertion{}, false
	}
	end, gap := e.list.Line, false
	for n := e.list.Line; n < len(text); n++ {
		line := bytes.TrimRight(text[n], " \r\n")
		inner := bytes.TrimLeft(line, " ")
		indent := len(line) - len(inner)
		switch {
		case len(inner) == 0:
			gap = true
			continue
		case inner[0] == '#':
			// Behind an empty line only what is deeper still: it may be a line of a long text.
			if !gap && indent >= dash || indent >= dash+2 {
				end, gap = n+1, false
			}
			continue
		case indent > dash, indent == dash && (bytes.HasPrefix(inner, []byte("- ")) || string(inner) == "-"):
			end, gap = n+1, false
			continue
		}
		break
	}
	offset := 0
	for _, line := range text[:end] {
		offset += len(line)
	}
	var b strings.Builder
	for _, i := range e.items {
		b.WriteString(i.block)
	}
	return insertion{offset: offset, deep: dash + 1, text: b.String()}, true
}

// inFlow finds the place before the closing bracket.
func inFlow(text [][]byte, data []byte, e edit) (insertion, bool) {
	end := e.list.End
	if end.Line < 1 || end.Line > len(text) {
		return insertion{}, false
	}
	offset := 0
	for _, line := range text[:end.Line-1] {
		offset += len(line)
	}
	runes := []rune(string(text[end.Line-1]))
	if end.Column < 1 || end.Column > len(runes) || runes[end.Column-1] != ']' {
		return insertion{}, false
	}
	offset += len(string(runes[:end.Column-1]))
	first := text[e.list.Line-1]
	indent := "\n" + strings.Repeat(" ", len(first)-len(bytes.TrimLeft(first, " "))+6)
	var b strings.Builder
	comma := ","
	if e.list.Comma {
		comma = ""
	}
	if !e.list.Comment { // behind the last item, and not behind the line ends that may follow it
		offset = len(bytes.TrimRight(data[:offset], " \r\n"))
	}
	for _, i := range e.items {
		if e.list.Comment {
			b.WriteString(indent)
		}
		b.WriteString(comma)
		for _, why := range i.why {
			b.WriteString(indent + "# " + why)
		}
		b.WriteString(indent + i.flow)
		comma = ","
	}
	if e.list.Comment {
		b.WriteString(indent)
	}
	return insertion{offset: offset, text: b.String()}, true
}
