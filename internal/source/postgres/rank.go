package postgres

// The rows of a collection are given in one order that does not depend on where
// they lie: shards, two databases and one must make the same archive, byte for
// byte. Numbers, truth values, times and UUIDs have an order of their own; text
// has as many as there are collations and versions of them, so it is ordered by
// its bytes, and whatever has no order here (enums, ranges, addresses) by its text.

// ranked are the columns by which a collection's rows are ordered: the map's
// order, then the key, because what the order leaves open must not change from
// one run to the next. Only the rows of a shard bring them along.
func (s *stop) ranked(wanted bool) []*column {
	var columns []*column
	if !wanted {
		return nil
	}
	for _, name := range s.c.Order {
		if c := s.t.columns[name]; c != nil {
			columns = append(columns, c)
		}
	}
	for _, name := range s.key {
		columns = append(columns, s.t.columns[name])
	}
	return columns
}

// rankClass is the class in whose order a column's rows stand.
func (c *column) rankClass() class {
	switch c.class {
	case classInt, classNumeric, classFloat, classBool, classStamp, classLocal, classUUID:
		return c.class
	}
	return classText
}

// ranks is the expression that rows are ordered by.
func (c *column) ranks(expr string) string {
	if c.rankClass() == classText {
		return expr + `::text COLLATE "C"`
	}
	return expr
}

// rank is the same value as it travels. Times go as microseconds, in which
// infinities have their places, too.
func (c *column) rank(expr string) string {
	switch c.rankClass() {
	case classInt:
		return expr + "::int8"
	case classFloat:
		return expr + "::float8"
	case classBool:
		return expr + "::bool"
	case classStamp, classLocal:
		return "CASE " + expr + " WHEN 'infinity' THEN 9223372036854775807 WHEN '-infinity' THEN -9223372036854775808" +
			" ELSE (extract(epoch FROM " + expr + ")::numeric * 1000000)::int8 END"
	}
	return expr + "::text"
}
