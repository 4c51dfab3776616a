package draft

import (
	"fmt"
	"slices"
	"strings"
)

// A meaning is what names of one kind of datum are, in English, German, Czech
// and French, without accents.
type meaning struct {
	category string
	classes  []Class // empty: any
	phrases  []string
	context  bool // only in a table whose rows are persons or describe one
	whole    bool // only as the whole name: payer, not payer_note
}

// meanings in the order in which they are tried: the more particular first.
func meanings() []meaning {
	text, num := []Class{Text, Other}, []Class{Text, Number, Other}
	m := func(category string, classes []Class, phrases string) meaning {
		var list []string
		for _, p := range strings.Split(phrases, ",") {
			list = append(list, strings.TrimSpace(p))
		}
		return meaning{category: category, classes: classes, phrases: list}
	}
	in := func(x meaning) meaning { x.context = true; return x }
	whole := func(x meaning) meaning { x.whole = true; return x }
	return []meaning{
		m("user.authorization.password", text, `password, passwort, heslo, mot de passe, passwd, pwd, pw, password hash, encrypted password, crypted password, password digest, password salt, kennwort,
			auth pass, user pass, login pass, account pass, admin pass, smtp pass, imap pass, mail pass, proxy pass, ldap pass, ftp pass, http pass, db pass, passphrase`),
		whole(m("user.authorization.password", text, "pass")),
		m("user.authorization.credentials", text, `token, api key, secret, otp, totp, mfa secret, recovery codes, backup codes, session key, access key,
			private key, reset key, salt, authentication token, persistence, perishable, remember`),
		m("user.device.ip_address", []Class{Text, Inet, Other}, "ip, ip address, ipaddr, ipaddress, remote addr, remote ip, last ip, ip adresse, adresse ip, ip adresa, sign in ip, client ip"),
		m("user.contact.email", text, "email, e mail, mail, emailaddress, mailadresse, mail adresse, email address, e mailova adresa, courriel, adresse mail, normalized email, to address"),
		m("user.contact.fax_number", num, "fax, telefax, faxnummer"),
		m("user.contact.phone_number", num, `phone, telephone, mobile, msisdn, phone number, phonenumber, mobile number, cellphone, telefon, telefonnummer, handy,
			handynummer, mobil, telefonni cislo, mobilni, portable, homephone, workphone, mobilephone, numero de telephone, tel, rufnummer`),
		m("user.financial.bank_account", num, "iban, bank account, account number, acc number, kontonummer, bankverbindung, cislo uctu, rib, bic, swift, sort code, routing number"),
		m("user.financial.credit_card", num, "card number, credit card, cc number, pan, last digits, last four, last 4, last4, kreditkarte, cislo karty, carte bancaire, card holder, cardholder, cc last, first digits"),
		m("user.government_id.national_identification_number", num, `ssn, ssnid, identification id, social security, national id, national identification, rodne cislo, steuernummer, steuer id, tax id, sozialversicherungsnummer,
			numero de securite sociale, nir, personal number, personnummer, cpr, cpr number, fodselsnummer, henkilotunnus, pesel, bsn, codice fiscale, dni, oib, vat number, vat id, dic`),
		m("user.government_id.passport_number", num, "passport, passport number, passport id, reisepass, cislo pasu, passeport"),
		m("user.government_id.drivers_license_number", num, "driving licence, drivers license, driver license, fuhrerschein, ridicsky prukaz, permis de conduire"),
		m("user.demographic.date_of_birth", []Class{Text, Date, Moment}, `birthday, birth date, birthdate, date of birth, dob, born, born on, geburtsdatum, geburtstag, geboren, datum narozeni, narozeni, date de naissance,
			naissance`),
		m("user.demographic.gender", nil, "gender, sex, geschlecht, pohlavi, sexe, salutation, anrede, civilite, osloveni"),
		m("user.demographic.marital_status", nil, "marital status, familienstand, rodinny stav, situation familiale"),
		m("user.demographic.religious_belief", nil, "religion, konfession, vyznani"),
		in(m("user.demographic.language", text, "language, locale, lang, sprache, jazyk, langue, preferred language, language code")),
		m("user.health_and_medical", nil, "diagnosis, blood type, allergies, medication, diagnose, diagnoza, allergie, krankenkasse"),
		m("user.name.first", text, "first name, firstname, given name, givenname, forename, vorname, jmeno, krestni jmeno, prenom"),
		m("user.name.last", text, "last name, lastname, surname, family name, familyname, nachname, familienname, zuname, prijmeni, nom de famille, second name"),
		m("user.account.username", text, "username, user name, login, nickname, nick, screen name, handle, benutzername, prihlasovaci jmeno, uzivatelske jmeno, identifiant, pseudo, display username"),
		m("user.name", text, `full name, fullname, complete name, display name, real name, realname, middle name, contact name, customer name, name on card, recipient name, jmeno a prijmeni, nom complet, author name, user full name, emergency contact, signed by, billing name, billed name, shipping name, legal name, original name, alternative name,
			payer name, payee name, buyer name, holder name, account holder, receiver name, beneficiary name, guest name, attendee name, participant name, passenger name, patient name, student name, member name, employee name,
			kontoinhaber, zahlername, empfangername, jmeno platce, jmeno prijemce, titulaire du compte, nom du titulaire`),
		whole(m("user.name", text, "payer, payee, recipient, buyer, holder, receiver, beneficiary, consignee, inhaber, zahler, empfanger, kaufer, platce, prijemce, kupujici, titulaire, destinataire, payeur, acheteur, beneficiaire")),
		in(m("user.contact.organization", text, "company, company name, employer, organisation, organization, firma, societe, entreprise")),
		in(m("user.name", text, "name, jmeno, nom, cele jmeno")),
		m("user.contact.address.postal_code", num, "zip, zipcode, zip code, mail code, postcode, post code, postal code, postalcode, plz, postleitzahl, psc, code postal"),
		m("user.contact.address.city", text, "city, town, ort, stadt, wohnort, mesto, obec, ville, city area"),
		m("user.contact.address.street", text, `street, street address, address1, address 1, address 2, address line, addressline, line 1, line 2, strasse, hausnummer, house number, ulice,
			cislo popisne, rue, adresse, anschrift, adresa, address, bydliste`),
		in(m("user.contact.address.country", nil, "country, country code, country iso, land, zeme, stat, pays, country area")),
		in(m("user.contact.address.state", nil, "state name, province, county, bundesland, kraj")),
		m("user.location.precise", nil, "latitude, longitude, lat, lng, lon, geo, geolocation, coordinates"),
		in(m("user.location.imprecise", nil, "location, timezone, time zone, region")),
		m("user.job_title", text, "job title, jobtitle, position title, profession, occupation, beruf, povolani, poste"),
		m("user.device.cookie_id", nil, "cookie, cookie id, visitor id, client id cookie, vid, tracking id, anonymous id"),
		m("user.device.device_id", nil, "device id, device token, device identifier, imei, udid, push token, fingerprint"),
		m("user.device", text, "user agent, useragent, browser, device, platform, os version"),
		m("user.behavior.browsing_history", text, "referrer, referer, landing page, visited url, user agent url, query string, incoming referrer, path info"),
		m("user.behavior.search_history", text, "search query, search term, searched, suchbegriff"),
		m("user.social", nil, "twitter, facebook, linkedin, instagram, github, google id, social, social account, provider uid"),
		in(m("user.contact.url", text, "website, homepage, web, webseite, site web")),
		in(m("user.content.self_image", nil, "avatar, photo, picture, profile picture, avatar url, bild, fotka, image")),
		m("user.privacy_preferences", nil, `consent, opt in, opt out, optin, accepts marketing, gdpr, newsletter, terms accepted, unsubscribe, subscribed, accept marketing, souhlas, einwilligung`),
		m("user.content.private", text, `message, body, text, comment, comments, content, note, notes, bio, about, description, subject, raw, cooked, remark, remarks, feedback, review, question, answer,
			nachricht, bemerkung, notiz, kommentar, poznamka, zprava, komentar, remarque, commentaire, bio raw, special instructions, staff notes, customer note, gift message, title, summary, signature, excerpt`),
	}
}

// A judgement is a category and why.
type judgement struct {
	category string
	why      string
	sure     bool // says that the table is about a person
}

// addressed tells whether a column begins as one of its table does that holds a
// street, as invoice_to_name beside invoice_to_street: it says to whom.
func addressed(t *Table, c *Column) bool {
	name := words(c.Name)
	for _, o := range t.Columns {
		street := words(o.Name)
		same := 0
		for same < min(len(name), len(street))-1 && name[same] == street[same] {
			same++
		}
		if o == c || same == 0 || hasAny(name[:same], placeWords()...) || hasAny(name[:same], houseWords()...) {
			continue
		}
		if j, ok := byName(o, false); ok && j.category == "user.contact.address.street" {
			return true
		}
	}
	return false
}

// placeWords are what has a street and is nobody.
func placeWords() []string {
	return []string{"venue", "location", "office", "branch", "depot", "pickup", "place", "building", "event", "hotel", "school"}
}

// judge tells a column's category by its contents where these are clear, else by
// its name and type. About says that the table's rows are or describe a person.
func judge(c *Column, about bool) (judgement, bool) {
	named, ok := byName(c, about)
	content, told := byContents(c, about)
	mails, held := holdsMails(c)
	switch {
	case held && !ok:
		return mails, true
	case told && (!ok || !under(named.category, content.category) && content.sure):
		return content, true
	case told && ok && content.category == named.category:
		named.why += ", and " + content.why
		return named, true
	case ok:
		if c.Contents.most(c.Contents.URL+c.Contents.File, 0.9) && strings.HasPrefix(named.category, "user.name") {
			return judgement{}, false
		}
		if held && under(named.category, mails.category) {
			named.why, named.sure = named.why+", and "+mails.why, true
		}
		return named, true
	}
	return judgement{}, false
}

// holdsMails judges a column of texts in which addresses stand: headers of mails,
// calendars, quoted threads. Whatever it is called, it is about persons.
func holdsMails(c *Column) (judgement, bool) {
	n := c.Contents
	if c.Class != Text || c.holdsDocuments() || n.HoldsMail <= n.Mail || !n.most(n.HoldsMail, 0.3) {
		return judgement{}, false
	}
	return judgement{"user.content.private", fmt.Sprintf("mail addresses stand in %d of %d sampled values", n.HoldsMail, n.Seen), true}, true
}

// opens judges a column that holds the secrets of a table of secrets without being
// called one: the value of a personal access token, the code of a passcode.
func opens(t *Table, c *Column) (judgement, bool) {
	name, table := words(c.Name), words(t.Name)
	last := name[max(0, len(name)-1):]
	j := judgement{category: "user.authorization.credentials", why: "by its table's name"}
	switch {
	case c.Class != Text && c.Class != Other, hasAny(name, "public"), !hasAny(last, "value", "key", "code", "hash", "digest", "ciphertext"):
		return judgement{}, false
	case hasAny(table, "password", "passwords"):
		j.category = "user.authorization.password"
		return j, true
	}
	return j, hasAny(table, "token", "tokens", "authtoken", "secret", "secrets", "passcode", "passcodes", "otp", "otps", "credential", "credentials",
		"api key", "api keys", "recovery code", "recovery codes", "backup code", "backup codes", "verification code", "verification codes", "authorization code", "authorization codes")
}

// under tells whether two categories are one, or one stands under the other.
func under(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

func byName(c *Column, about bool) (judgement, bool) {
	if c.Class == Bool || c.Class == Moment || c.Class == Date {
		// email_confirmed_at and has_phone tell something about a person, no address.
		return byNameOf(c, about, func(m meaning) bool {
			return slices.Contains(m.classes, c.Class) || m.category == "user.privacy_preferences"
		})
	}
	name := words(c.Name)
	if n := len(name); n > 1 && (hasAny(name[:1], "attr", "attribute", "claim") || hasAny(name[n-1:], "attr", "attribute", "claim")) {
		return judgement{}, false // how a directory calls what it holds: attr_mail, email_claim
	}
	if len(name) > 1 && slices.Contains([]string{"id", "count", "type", "status", "enabled", "verified", "confirmed", "template", "format", "method", "digits_count", "version", "cost", "layout", "theme", "xmlid", "uuid", "guid", "ulid", "uu"}, name[len(name)-1]) &&
		!hasAny(name, "cookie id", "visitor id", "device id", "tax id", "national id", "passport id", "identification id", "steuer id", "vat id", "tracking id", "anonymous id", "google id") {
		return judgement{}, false
	}
	return byNameOf(c, about, func(m meaning) bool {
		return len(m.classes) == 0 || slices.Contains(m.classes, c.Class) || c.Class == Array && slices.Contains(m.classes, Text)
	})
}

func byNameOf(c *Column, about bool, admitted func(meaning) bool) (judgement, bool) {
	name, whole := words(c.Name), squeezed(c.Name)
	for _, m := range meanings() {
		if m.context && !about || !admitted(m) || m.context && m.category == "user.name" && hasAny(name, houseWords()...) {
			continue // the name of a shipping method is a thing's
		}
		for _, p := range m.phrases {
			if m.category == "user.contact.email" && !strings.HasSuffix(whole, strings.ReplaceAll(p, " ", "")) && c.Contents.noMail() {
				continue // email_subject, mail_server, email_hash: what is meant is the last word
			}
			joined := strings.ReplaceAll(p, " ", "") // dav_displayname: camelCase that Postgres folded
			if !m.whole && (has(name, p) || slices.Contains(name, joined)) || whole == joined || endsSecret(name, p) || endsText(name, p) {
				return judgement{category: m.category, why: "by its name", sure: !m.context && telling(m.category)}, true
			}
		}
	}
	return judgement{}, false
}

// endsSecret tells whether a word of a name ends in one for a secret: authtoken and
// userpassword, as camelCase is left where Postgres folds it.
func endsSecret(name []string, phrase string) bool {
	return slices.Contains([]string{"password", "passwd", "passphrase", "pw", "token", "secret", "api key", "access key", "private key"}, phrase) &&
		slices.ContainsFunc(name, func(w string) bool { return strings.HasSuffix(w, strings.ReplaceAll(phrase, " ", "")) })
}

// endsText tells whether a word of a name ends in one for what somebody wrote, as
// names are that are never parted: fullmessage, fullmessagehtml, dpocomment.
func endsText(name []string, phrase string) bool {
	return slices.Contains([]string{"message", "comment"}, phrase) &&
		slices.ContainsFunc(name, func(w string) bool { return strings.HasSuffix(strings.TrimSuffix(w, "html"), phrase) })
}

// telling tells whether a category by itself makes a table look personal: texts
// and web addresses stand in tables of goods, too.
func telling(category string) bool {
	return !under(category, "user.content") && !strings.HasPrefix(category, "user.authorization.cred") && category != "user.device" &&
		!strings.HasPrefix(category, "user.behavior") && category != "user.social" && !strings.HasPrefix(category, "user.location")
}

func byContents(c *Column, about bool) (judgement, bool) {
	n := c.Contents
	if n.reaches() {
		return judgement{"user.contact", fmt.Sprintf("%d of %d sampled values are mail addresses and %d telephone numbers", n.Mail, n.Seen, n.Phone), true}, true
	}
	for _, look := range []struct {
		count    int
		share    float64
		category string
		what     string
		sure     bool
	}{
		{n.Mail, 0.6, "user.contact.email", "are mail addresses", true},
		{n.IBAN, 0.6, "user.financial.bank_account", "are IBANs with the right check digits", true},
		{n.Card, 0.9, "user.financial.credit_card", "have the check digit of a payment card", true},
		{n.Phone, 0.6, "user.contact.phone_number", "are telephone numbers", true},
		{n.IP, 0.6, "user.device.ip_address", "are IP addresses", true},
		{n.Agent, 0.6, "user.device", "are user agents of browsers", true},
	} {
		if n.most(look.count, look.share) {
			if look.category == "user.financial.credit_card" && c.Class == Number && !about {
				continue // long numbers pass Luhn's test one time in ten, but not nine times in ten
			}
			return judgement{look.category, fmt.Sprintf("%d of %d sampled values %s", look.count, n.Seen, look.what), look.sure}, true
		}
	}
	if about && c.Class == Date && n.most(n.Birthday, 0.8) && !hasAny(words(c.Name), "hired", "start", "since", "valid", "from", "created", "opened") {
		return judgement{"user.demographic.date_of_birth", fmt.Sprintf("%d of %d sampled days lie 5 to 110 years back", n.Birthday, n.Seen), false}, true
	}
	if c.Class == Text && about && n.most(n.Name, 0.7) {
		return judgement{"user.name", fmt.Sprintf("%d of %d sampled values look like names of persons", n.Name, n.Seen), false}, true
	}
	if (c.Class == JSON || c.holdsDocuments()) && n.most(n.HoldsMail, 0.2) {
		return judgement{"user.content.private", fmt.Sprintf("mail addresses stand in %d of %d sampled documents", n.HoldsMail, n.Seen), n.most(n.HoldsMail, 0.3)}, true
	}
	if c.Class == Text && !c.holdsDocuments() && n.most(n.Prose+n.HoldsMail, 0.5) && about {
		return judgement{"user.content.private", fmt.Sprintf("%d of %d sampled values are free text", n.Prose+n.HoldsMail, n.Seen), false}, true
	}
	return judgement{}, false
}
