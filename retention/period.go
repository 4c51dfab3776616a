package retention

import (
	"time"

	"github.com/lethe-dsr/lethe/internal/period"
)

// A Period is how long something is kept; its arithmetic is shared with the
// statutory keeps of a data map.
type Period = period.Period

// ParsePeriod reads an ISO 8601 duration: PnY, PnM, PnW, PnD or PTnH.
func ParsePeriod(text string) (Period, error) { return period.Parse(text) }

// Cutoff returns the instant before which a start has expired, see period.Cutoff.
func Cutoff(now time.Time, p Period) time.Time { return period.Cutoff(now, p) }
