package sample

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// random draws everything, in one order: the seed decides it all.
type random struct{ *rand.Rand }

func newRandom(seed int64) random {
	return random{rand.New(rand.NewPCG(uint64(seed), 0x6c65746865))} //nolint:gosec // not for secrets: the same seed must give the same shop
}

func one[T any](r random, of []T) T { return of[r.IntN(len(of))] }

// chance is true in p of 100 cases.
func (r random) chance(p int) bool { return r.IntN(100) < p }

// between is a whole number of seconds between two instants.
func (r random) between(from, to time.Time) time.Time {
	seconds := int64(to.Sub(from) / time.Second)
	if seconds <= 0 {
		return from
	}
	return from.Add(time.Duration(r.Int64N(seconds)) * time.Second)
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (r random) token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func (r random) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

// ip is of 198.18.0.0/15, kept for tests (RFC 2544).
func (r random) ip() string {
	return netip.AddrFrom4([4]byte{198, byte(18 + r.IntN(2)), byte(r.IntN(256)), byte(1 + r.IntN(254))}).String()
}

// ascii is a name as it stands in a mail address: without accents, lower case.
func ascii(s string) string {
	const accented = "á a č c ď d é e ě e í i ň n ó o ř r š s ť t ú u ů u ý y ž z ä ae ö oe ü ue ß ss à a ì i ë e ş s ı i đ d"
	plain := strings.NewReplacer(strings.Fields(accented)...)
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, plain.Replace(strings.Map(unicode.ToLower, s)))
}

// orNull is NULL for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
