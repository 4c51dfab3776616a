package retention

import "time"

func day(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse("2006-01-02", text)
	}
	if err != nil {
		panic(err)
	}
	return t
}
