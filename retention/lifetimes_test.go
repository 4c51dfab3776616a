package retention

import (
	"slices"
	"strings"
	"testing"
)

func TestCatalogueHasTheVendorsTwelveRows(t *testing.T) {
	t.Parallel()
	if len(catalogue) != 12 {
		t.Errorf("the vendor's page has 12 rows, the catalogue %d", len(catalogue))
	}
	names := map[string]int{}
	for _, l := range catalogue {
		names[l.Name]++
		if l.Storage == "" || l.Category == "" || l.Basis == "" || l.StorageGround == "" || l.Source == "" || l.Description == "" {
			t.Errorf("%s: every column of a row should be filled, got %+v", l.Name, l)
		}
		if l.Period != "" {
			if _, err := ParsePeriod(l.Period); err != nil {
				t.Errorf("%s: its period should be ISO 8601: %v", l.Name, err)
			}
		}
		if (l.Storage == LocalStorage) == l.Documented() {
			t.Errorf("%s: the page gives cookies a period and local storage none", l.Name)
		}
	}
	if len(names) != 11 || names["ssupp_<CHAT_KEY>"] != 2 {
		t.Errorf("eleven names were expected, ssupp_<CHAT_KEY> twice, got %v", names)
	}
	for name, period := range map[string]string{"ssupp.vid": "P6M", "ssupp.visits": "P6M", "SL_C_23361dd035530_KEY": "P2Y",
		"SL_C_23361dd035530_SID": "P2Y", "SL_C_23361dd035530_VID": "P2Y", "_ss.enableSounds": ""} {
		if l := named(name); len(l) != 1 || l[0].Period != period {
			t.Errorf("%s should be documented with %q", name, period)
		}
	}
}

func TestMatchTakesTheLongestLiteral(t *testing.T) {
	t.Parallel()
	keys := []string{"k23c11178a44ef240b0fc3f053a759a057d9a7ed", "k11ee5af5fe3c4ff0344f6fe56159cda13589a09", "kbbfd51cb6d4e3152f5298a3f550ca51ef8deef4"}
	for _, key := range keys {
		for suffix, want := range map[string]string{"": "functional marketing", "message": "functional", "opened": "functional", "vid": "functional", "visits": "marketing"} {
			got := Match("ssupp_" + key + suffix)
			var categories []string
			for _, l := range got {
				categories = append(categories, string(l.Category))
				if l.Name != "ssupp_<CHAT_KEY>"+suffix {
					t.Errorf("ssupp_%s%s is ssupp_<CHAT_KEY>%s and nothing else, got %s", key, suffix, suffix, l.Name)
				}
			}
			if strings.Join(categories, " ") != want {
				t.Errorf("ssupp_<key>%s stands under %q, got %q", suffix, want, categories)
			}
		}
	}
	for name, want := range map[string]string{
		"ssupp.vid": "ssupp.vid", "ssupp.visits": "ssupp.visits", "ssupp_vid": "ssupp_<CHAT_KEY>",
		"ssupp_avid": "ssupp_<CHAT_KEY>vid", "ssuppXvid": "", "xssupp.vid": "", "ssupp.vid2": "",
		"ssupp_": "", "ssupp_a-b": "", "ssupp_a\nmessage": "", "SL_C_23361dd035530_VID": "SL_C_23361dd035530_VID", "": "",
	} {
		got := ""
		if l := Match(name); len(l) > 0 {
			got = l[0].Name
		}
		if got != want {
			t.Errorf("%q should be %q of the catalogue, got %q", name, want, got)
		}
	}
}

func TestCategoriesLeaveOutNamesOfTwoPurposes(t *testing.T) {
	t.Parallel()
	var names []string
	for _, l := range ofCategory(Marketing) {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"ssupp.visits", "ssupp_<CHAT_KEY>visits"}) {
		t.Errorf("ssupp_<CHAT_KEY> is functional, too, and must not go with marketing alone; got %v", names)
	}
	if got := moreSpecific("ssupp_<CHAT_KEY>"); len(got) != 4 {
		t.Errorf("four documented names are more specific than ssupp_<CHAT_KEY>, got %v", got)
	}
	if got := moreSpecific("ssupp.vid"); got != nil {
		t.Errorf("nothing is more specific than ssupp.vid, got %v", got)
	}
}
