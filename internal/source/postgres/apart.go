package postgres

import "errors"

// errShares asks for an erasure to run again as sharing.
var errShares = errors.New("rows are shared: to be erased in an order with other erasures")

// apart stops an erasure that found shared rows in a transaction that does not
// look out for others. Two subjects who share a row may be erased at once: each
// transaction still sees the other's row that names it, both keep it, and it
// would stay, with nobody left who leads to it. SERIALIZABLE finds that out and
// restarts one of them; as a rule for all erasures it costs more than half the
// throughput, in restarts that nobody needs.
func (c *carriage) apart(t task, how string, res *result) error {
	if t != toErase || how != changing || c.slice > 0 { // a part of the rows says nothing of it
		return nil
	}
	for _, s := range c.p.stops {
		if res.counts[s.i*tallied+shared] > 0 {
			return errShares
		}
	}
	return nil
}
