package dsar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
)

// national lists the public holidays of a country, by ISO 3166 code.
func national(country string) ([]*cal.Holiday, bool) {
	switch country {
	case "AT":
		return at.Holidays, true
	case "BE":
		return be.Holidays, true
	case "BG":
		return bg.Holidays, true
	case "CZ":
		return cz.Holidays, true
	case "DE":
		return de.Holidays, true
	case "DK":
		return dk.Holidays, true
	case "ES":
		return es.Holidays, true
	case "FR":
		return fr.Holidays, true
	case "GR", "EL": // EL is what the Union's own texts write
		return gr.Holidays, true
	case "HR":
		return hr.Holidays, true
	case "IE":
		return ie.Holidays, true
	case "IT":
		return it.Holidays, true
	case "LT":
		return lt.Holidays, true
	case "LV":
		return lv.Holidays, true
	case "NL":
		return nl.Holidays, true
	case "NO":
		return no.Holidays, true
	case "PL":
		return pl.Holidays, true
	case "RO":
		return ro.Holidays, true
	case "SE":
		return se.Holidays, true
	case "SI":
		return si.Holidays, true
	case "SK":
		return sk.Holidays, true
	}
	return nil, false
}

const knownCountries = "AT, BE, BG, CZ, DE, DK, ES, FR, GR, HR, IE, IT, LT, LV, NL, NO, PL, RO, SE, SI, SK"

// regional lists the public holidays of a region, the national ones among them.
func regional(region string) ([]*cal.Holiday, bool) {
	switch region {
	case "DE-BW":
		return de.HolidaysBW, true
	case "DE-BY":
		return de.HolidaysBY, true
	case "DE-BE":
		return de.HolidaysBE, true
	case "DE-BB":
		return de.HolidaysBB, true
	case "DE-HB":
		return de.HolidaysHB, true
	case "DE-HH":
		return de.HolidaysHH, true
	case "DE-HE":
		return de.HolidaysHE, true
	case "DE-MV":
		return de.HolidaysMV, true
	case "DE-NI":
		return de.HolidaysNI, true
	case "DE-NW":
		return de.HolidaysNW, true
	case "DE-RP":
		return de.HolidaysRP, true
	case "DE-SL":
		return de.HolidaysSL, true
	case "DE-SN":
		return de.HolidaysSN, true
	case "DE-ST":
		return de.HolidaysST, true
	case "DE-SH":
		return de.HolidaysSH, true
	case "DE-TH":
		return de.HolidaysTH, true
	}
	return nil, false
}

// holidaysFor returns the holidays where a controller sits. Without a region
// only the national ones count, which errs early. Holidays that are days off
// by custom only (Swedish Midsummer Eve) are left out for the same reason: the
// lists under Art. 3(4) of Reg. 1182/71 hold public holidays.
func holidaysFor(country, region string) ([]*cal.Holiday, error) {
	country, region = strings.ToUpper(country), strings.ToUpper(region)
	list, ok := national(country)
	if !ok {
		return nil, fmt.Errorf("the public holidays of country %q are not known: known are %s", country, knownCountries)
	}
	if region != "" {
		if !strings.HasPrefix(region, country+"-") {
			return nil, fmt.Errorf("region %q is not a region of country %q: write it like DE-BY", region, country)
		}
		if list, ok = regional(region); !ok {
			return nil, fmt.Errorf("the public holidays of region %q are not known: leave the region out, and the national ones count", region)
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(h *cal.Holiday) bool { return h.Type != cal.ObservancePublic }), nil
}

// holidayOn names the public holiday on a day, or returns "". A holiday that
// is observed on another day (an Irish one on a Sunday) counts on both.
func holidayOn(list []*cal.Holiday, day time.Time) string {
	c := cal.Calendar{Holidays: list}
	if actual, observed, h := c.IsHoliday(day); actual || observed {
		return h.Name
	}
	return ""
}
