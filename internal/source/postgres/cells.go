package postgres

import (
	"encoding/binary"
	"errors"
)

// A cell is the text of one value of a row that came with its walk.
type cell struct {
	text string
	null bool
}

// tooLong stands where a value was too long to come with the walk. Should a
// value be this very text, its walk takes the longer way, too: no harm is done.
const tooLong = "lethe: this value is too long to come with the walk"

func (c cell) tooLong() bool { return c.text == tooLong }

var errCells = errors.New("the rows did not come in Postgres' binary form: the source's URL must not ask for the simple protocol")

// The binary form of an array is the number of its dimensions, whether it holds
// NULLs, and the type of its elements; then per dimension its length and where it
// begins; then the elements, each with its length, -1 for NULL (array_send in
// Postgres' src/backend/utils/adt/arrayfuncs.c). Numbers are of 32 bits.
type packed []byte

func (p *packed) number() int {
	if len(*p) < 4 {
		*p = nil
		return -2
	}
	n := int(int32(binary.BigEndian.Uint32(*p)))
	*p = (*p)[4:]
	return n
}

// dimensions reads what stands before the elements. An empty array has none.
func (p *packed) dimensions() ([]int, error) {
	n := p.number()
	p.number()
	p.number()
	if n < 0 || n > 6 || len(*p) < 8*n {
		return nil, errCells
	}
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = p.number()
		p.number()
	}
	return lengths, nil
}

// wholes reads an array of int8 without NULLs.
func wholes(raw []byte) ([]int64, error) {
	p := packed(raw)
	lengths, err := p.dimensions()
	if err != nil || len(lengths) == 0 {
		return nil, err
	}
	if len(lengths) != 1 || len(p) != 12*lengths[0] {
		return nil, errCells
	}
	numbers := make([]int64, lengths[0])
	for i := range numbers {
		numbers[i] = int64(binary.BigEndian.Uint64(p[12*i+4:]))
	}
	return numbers, nil
}

// cellsOf reads an array of arrays of text, NULL for no rows. The texts are
// parts of one string, which raw is copied to: it is pgx's own.
func cellsOf(raw []byte) ([][]cell, error) {
	if raw == nil {
		return nil, nil
	}
	p := packed(raw)
	lengths, err := p.dimensions()
	if err != nil || len(lengths) == 0 {
		return nil, err
	}
	if len(lengths) != 2 || lengths[0] < 0 || lengths[1] < 0 || lengths[0]*lengths[1] > len(p)/4 {
		return nil, errCells
	}
	all := string(p)
	cells, at := make([]cell, lengths[0]*lengths[1]), 0
	for i := range cells {
		n := p.number()
		at += 4
		switch {
		case n == -1:
			cells[i].null = true
			continue
		case n < 0 || n > len(p):
			return nil, errCells
		}
		cells[i].text = all[at : at+n]
		p = p[n:]
		at += n
	}
	rows := make([][]cell, lengths[0])
	for i := range rows {
		rows[i] = cells[i*lengths[1] : (i+1)*lengths[1]]
	}
	return rows, nil
}
