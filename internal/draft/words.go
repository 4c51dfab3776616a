package draft

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// words splits a name as people write names in databases — snake_case,
// camelCase, kebab-case, with digits — into lower-case words without accents.
func words(name string) []string {
	var list []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			list = append(list, strings.ToLower(string(word)))
		}
		word = nil
	}
	runes := []rune(plain(name))
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case unicode.IsDigit(r) != (i > 0 && unicode.IsDigit(runes[i-1])) && len(word) > 0:
			flush()
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) ||
			unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return list
}

// plain takes the accents off letters.
func plain(s string) string {
	s = strings.NewReplacer("ß", "ss", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "æ", "ae", "œ", "oe").Replace(s)
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// squeezed is a name with nothing between its words: what userid, user_id and
// userId have in common.
func squeezed(name string) string { return strings.Join(words(name), "") }

// singulars are the forms that the last word of a table's name may have where
// another table names it: users, user; addresses, address; people, person.
func singulars(word string) []string {
	forms := []string{word}
	if s, ok := irregular()[word]; ok {
		return append(forms, s)
	}
	switch {
	case strings.HasSuffix(word, "ies") && len(word) > 4:
		forms = append(forms, strings.TrimSuffix(word, "ies")+"y")
	case strings.HasSuffix(word, "ses"), strings.HasSuffix(word, "xes"), strings.HasSuffix(word, "ches"), strings.HasSuffix(word, "shes"):
		forms = append(forms, strings.TrimSuffix(word, "es"))
	}
	if strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss") && len(word) > 3 {
		forms = append(forms, strings.TrimSuffix(word, "s"))
	}
	return forms
}

func irregular() map[string]string {
	return map[string]string{
		"people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman", "statuses": "status",
		"kunden": "kunde", "nutzer": "nutzer", "benutzer": "benutzer", "personen": "person", "adressen": "adresse",
		"bestellungen": "bestellung", "rechnungen": "rechnung", "zakaznici": "zakaznik", "uzivatele": "uzivatel", "osoby": "osoba",
		"adresy": "adresa", "objednavky": "objednavka", "faktury": "faktura", "kontakty": "kontakt", "clients": "client",
		"utilisateurs": "utilisateur", "personnes": "personne", "commandes": "commande", "factures": "facture",
	}
}

// has tells whether the words of a phrase stand in a name one after the other.
func has(name []string, phrase string) bool {
	want := strings.Fields(phrase)
	for i := 0; i+len(want) <= len(name); i++ {
		same := true
		for j, w := range want {
			same = same && name[i+j] == w
		}
		if same {
			return true
		}
	}
	return false
}

func hasAny(name []string, phrases ...string) bool {
	for _, p := range phrases {
		if has(name, p) {
			return true
		}
	}
	return false
}

// staffWords name tables of persons whose work is in other tables: what they write
// there is about somebody else.
func staffWords() []string {
	return strings.Fields("employee staff staffmember mitarbeiter zamestnanec employe medarbejder")
}

// personWords name tables whose rows are persons.
func personWords() []string {
	return strings.Fields(`user customer contact person people party member client subscriber patient employee student guest lead visitor
		buyer applicant candidate donor attendee participant recipient passenger resident tenantuser player profile accountuser
		doctor physician dentist nurse therapist teacher pupil tutor coach trainer instructor driver courier guardian
		kunde kunden nutzer benutzer person mitglied mitarbeiter patient bewerber kontakt teilnehmer ansprechpartner
		zakaznik uzivatel osoba kontakt clen zamestnanec klient pacient
		client utilisateur personne membre abonne employe adherent usager`)
}

// detailWords name tables whose rows describe a person and are pointed to, as an
// order points to its address.
func detailWords() []string {
	return strings.Fields(`address addresse adresse anschrift adresa adresy card creditcard identity
		person persondetail contactdetail household haushalt domacnost foyer emailaddress phonenumber bankaccount profile avatar`)
}

// houseWords name tables of organisations and settings: an address in them is an office's.
func houseWords() []string {
	return strings.Fields(`store shop setting settings config configuration channel inbox company organization organisation supplier
		insurer department office workshop garage clinic dealer vendor tenant template templates site plugin app oauth firma firmy unternehmen lieferant entreprise societe fournisseur
		warehouse stock inventory provider webhook team group category currency country region state province language locale zone product variant brand
		tax shipping role permission feature plan price migration migrations queue job jobs
		land laender zeme produkt produkte pays produit`)
}

// actorWords are roles of staff: whom the row names is not whom it is about.
func actorWords() []string {
	return append(doneBy(), strings.Fields(`assignee assigned approver approved canceler canceller canceled cancelled reviewer reviewed moderator moderated
		editor edited changed deleted updated locked closed resolved granted grantor invited inviter agent agree handler verified verifier
		accepted rejected rejecter merge merged suspended silenced staff admin manager modified processed refunded published
		acting impersonator resolver mod voided retired dismissed archived revoked closer completed processor last max min reply replied write update modify updater modifier operator salesman salesperson salesrep bearbeiter genehmigt schvalil upravil modifie valide`)...)
}

// doneBy are what staff do to a row, with the by: issued_to names whom it is about.
func doneBy() []string {
	var list []string
	words := "quoted confirmed validated done picked packed shipped checked handled prepared issued printed audited finished inspected released executed decided " +
		"finalized fulfilled performed graded assessed banned blocked muted disabled enabled activated deactivated" //nolint:misspell // as columns are called
	for _, w := range strings.Fields(words) {
		list = append(list, w+" by")
	}
	return list
}

// markWords are those of actorWords that by themselves name no person: a
// last_read_id or update_id is a place in a list.
func markWords() []string { return strings.Fields("last max min write update modify") }

// ownerWords are roles of the person whom a row belongs to.
func ownerWords() []string {
	return strings.Fields(`user customer owner author creator created sender poster buyer member contact person party client account
		kunde benutzer nutzer autor absender zakaznik uzivatel utilisateur auteur expediteur submitter requester reporter commenter uploader`)
}

// authorWords name a person without saying id, where they are the whole name of a
// number: a deleted or an updated alone is a mark or a time.
func authorWords() []string {
	return strings.Fields(`creator author owner sender poster submitter requester reporter commenter uploader autor absender auteur expediteur
		createdby createby postedby uploadedby submittedby requestedby reportedby ownedby sentby writtenby authoredby`)
}

// logWords name tables that tell of what was done: sent, asked, tried.
func logWords() []string {
	return strings.Fields(`log logs history event events audit message messages sent outbox queue job jobs notification notifications delivery deliveries
		dispatch dispatches invitation invitations invite invites token tokens request requests attempt attempts change changes code codes
		order orders cart carts booking bookings`)
}
