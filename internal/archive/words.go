package archive

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// plain are the kinds of data that most letters name, as whoever reads these calls them.
func plain() map[string]string {
	return map[string]string{
		"user":                        "personal data in general",
		"user.account.username":       "user name",
		"user.authorization":          "passwords and codes",
		"user.authorization.password": "password", "user.authorization.credentials": "codes and tokens for signing in",
		"user.behavior": "behaviour", "user.behavior.browsing_history": "pages visited", "user.behavior.purchase_history": "purchases",
		"user.behavior.search_history": "searches", "user.behavior.media_consumption": "what was read, watched or listened to",
		"user.childrens": "data of children",
		"user.contact":   "contact details", "user.contact.fax_number": "fax number", "user.contact.url": "web address",
		"user.contact.address": "postal address", "user.contact.address.city": "town", "user.contact.address.country": "country",
		"user.contact.address.postal_code": "postal code", "user.contact.address.state": "state or region", "user.contact.address.street": "street",
		"user.contact.email": "e-mail address", "user.contact.organization": "organisation", "user.contact.phone_number": "telephone number",
		"user.content": "texts, pictures and other content", "user.content.private": "messages and other private content",
		"user.content.public": "what was published", "user.content.self_image": "picture",
		"user.demographic": "demographic data", "user.demographic.age_range": "age range", "user.demographic.date_of_birth": "date of birth",
		"user.demographic.gender": "gender", "user.demographic.language": "language", "user.demographic.marital_status": "marital status",
		"user.demographic.political_opinion": "political opinion", "user.demographic.race_ethnicity": "race and ethnic origin",
		"user.demographic.religious_belief": "religious belief", "user.demographic.sexual_orientation": "sexual orientation",
		"user.device": "device", "user.device.cookie": "cookies", "user.device.cookie_id": "identifiers in cookies",
		"user.device.device_id": "identifiers of devices", "user.device.ip_address": "IP address",
		"user.financial": "financial data", "user.financial.bank_account": "bank account", "user.financial.credit_card": "payment card",
		"user.government_id": "numbers of official documents",
		"user.government_id.national_identification_number": "national identification number",
		"user.government_id.drivers_license_number":         "driving licence number", "user.government_id.passport_number": "passport number",
		"user.government_id.birth_certificate": "birth certificate", "user.government_id.vehicle_registration": "vehicle registration",
		"user.health_and_medical": "data on health", "user.health_and_medical.genetic": "genetic data",
		"user.location.imprecise": "approximate location", "user.location.precise": "precise location",
		"user.name.first": "first name", "user.name.last": "last name", "user.payment": "payments",
		"user.privacy_preferences": "consents and choices about privacy",
		"user.sensor":              "data of sensors", "user.user_sensor": "data of sensors",
		"user.unique_id": "identifying numbers", "user.unique_id.pseudonymous": "pseudonyms",
		"system.authentication": "data on signing in", "system.operations": "technical data",
	}
}

// plainUses are the purposes of the taxonomy (its data uses) so that they can be read
// without knowing it.
func plainUses() map[string]string {
	return map[string]string{
		"analytics": "statistics", "analytics.reporting": "statistics and reports",
		"analytics.reporting.ad_performance": "measuring how advertisements do", "analytics.reporting.content_performance": "measuring how contents do",
		"analytics.reporting.campaign_insights": "measuring how campaigns do", "analytics.reporting.system": "statistics of the system",
		"analytics.reporting.system.performance": "measuring how the system does",
		"collect":                                "storing for a purpose that is not decided yet",
		"employment":                             "employment", "employment.recruitment": "recruitment",
		"essential": "running the service", "essential.fraud_detection": "detecting fraud and misuse", "essential.legal_obligation": "meeting legal duties",
		"essential.service": "providing the service", "essential.service.authentication": "signing in",
		"essential.service.notifications":       "messages about the service",
		"essential.service.notifications.email": "messages about the service by e-mail", "essential.service.notifications.sms": "messages about the service by SMS",
		"essential.service.operations": "running the service", "essential.service.operations.support": "support",
		"essential.service.operations.improve": "improving the support", "essential.service.payment_processing": "payments",
		"essential.service.security": "security of the service", "essential.service.upgrades": "new versions of the service",
		"finance":    "accounting and taxes",
		"functional": "functions of the service", "functional.service": "functions of the service", "functional.service.improve": "improving the service",
		"functional.storage": "storing and reading data on your device",
		"marketing":          "marketing", "marketing.advertising": "advertising",
		"marketing.advertising.first_party": "advertising by what is known here", "marketing.advertising.first_party.contextual": "advertising by the page that is shown",
		"marketing.advertising.first_party.targeted": "personal advertising by what is known here", "marketing.advertising.frequency_capping": "limiting how often an advertisement is shown",
		"marketing.advertising.negative_targeting": "sparing some people advertisements", "marketing.advertising.profiling": "profiles for advertising",
		"marketing.advertising.serving": "delivering advertisements", "marketing.advertising.third_party": "advertising with data of others",
		"marketing.advertising.third_party.targeted": "personal advertising with data of others",
		"marketing.communications":                   "marketing messages", "marketing.communications.email": "marketing by e-mail", "marketing.communications.sms": "marketing by SMS",
		"operations":  "running our organisation",
		"personalize": "fitting the service to you", "personalize.content": "fitting contents to you", "personalize.content.limited": "fitting contents to you with few data",
		"personalize.content.profiling": "profiles for fitting contents to you", "personalize.profiling": "profiles for fitting contents to you",
		"personalize.content.profiled": "fitting contents to your profile", "personalize.system": "fitting the system to you",
		"sales":               "sales",
		"third_party_sharing": "passing on to others", "third_party_sharing.legal_obligation": "passing on to others as law or contract demand",
		"train_ai_system": "training artificial intelligence",
	}
}

// words turns keys of the Fideslang taxonomy into something to read:
// "user.device.ip_address" -> "IP address", "user.shoe_size" -> "shoe size".
func words(keys []string) []string { return wordsOf(keys, plain()) }

// Words are kinds of data (keys of the Fideslang taxonomy) as letters name them:
// "contact details and IP address".
func Words(keys []string) string { return join(words(keys)) }

// uses does so with data uses: "essential.service" -> "providing the service".
func uses(keys []string) []string { return wordsOf(keys, plainUses()) }

func wordsOf(keys []string, known map[string]string) []string {
	out := make([]string, 0, len(keys))
	for _, k := range keys {
		w, ok := known[k]
		if !ok {
			w = strings.NewReplacer(".", " ", "_", " ").Replace(strings.TrimPrefix(k, "user."))
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// join is "a, b and c".
func join(list []string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

var isoPeriod = regexp.MustCompile(`^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// period puts an ISO 8601 period in words; what is none is taken as words already.
func period(s string) string {
	m := isoPeriod.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	var parts []string
	for i, unit := range []string{"year", "month", "week", "day", "hour", "minute", "second"} {
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil || n == 0 {
			continue
		}
		parts = append(parts, counted(n, unit, unit+"s"))
	}
	if len(parts) == 0 {
		return s
	}
	return join(parts)
}

// country is the name of a region of the configuration: "DE-BY" -> "Germany (DE-BY)".
// What is none that the Unicode CLDR knows is taken as words already.
func country(region string) string {
	region = strings.TrimSpace(region)
	code, part, _ := strings.Cut(strings.ToUpper(region), "-")
	switch code {
	case "EEA":
		return "the European Economic Area"
	case "EL": // as the European Union writes it
		code = "GR"
	}
	r, err := language.ParseRegion(code)
	name := display.English.Regions().Name(r)
	if err != nil || name == "" || strings.HasPrefix(name, "Unknown") {
		return region
	}
	if slices.Contains([]string{"AE", "BS", "CF", "CG", "CD", "DO", "EU", "GB", "GM", "KM", "KY", "MH", "MV", "NL", "PH", "SB", "US"}, r.String()) {
		name = "the " + name
	}
	if part != "" {
		name += " (" + region + ")"
	}
	return name
}

// inEEA tells whether a region of the configuration lies in the European
// Economic Area, where Chapter V of the GDPR asks for nothing. A region may have
// a part of its own ("DE-BY").
func inEEA(region string) bool {
	country, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(region)), "-")
	switch country {
	case "EU", "EEA",
		"AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "EL", "HU", "IE", "IT", "LV",
		"LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO":
		return true
	}
	return false
}
