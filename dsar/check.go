package dsar

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Limits of a form: generous for people, small for machines.
const (
	maxIdentities = 10
	maxIdentity   = 300 // characters, before normalising
	maxName       = 200
	maxReason     = 4000
)

const self = "self"

var requesters = []string{self, "parent", "guardian", "lawyer", "agent"}

var languageTag = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// check goes through a submission field by field and returns it normalised,
// with defaults filled in, or *Invalid with a sentence for each field that is
// wrong. Fields are named kind, controller, policy, delivery, language,
// channel, fields (as a whole; fields.order_number is the value of one), received_at,
// requester, requester_name, requester_address, mandate, verified, identities (the set
// as a whole) and, for each identity, by its type: email, phone, visitor. No sentence
// repeats what was typed.
func (s *Service) check(a Actor, sub Submission) (intake, error) {
	problems := map[string]string{}
	c, known := s.c.Controllers[sub.Controller]
	switch err := a.may(sub.Controller, true); {
	case !known || errors.Is(err, ErrNotFound):
		return intake{}, &Invalid{map[string]string{"controller": "There is no such organisation here: choose one of the list."}}
	case err != nil:
		return intake{}, err
	}
	in := intake{Submission: sub}
	s.checkKind(&in, problems)
	s.checkIdentities(&in, c, problems)
	s.checkFields(&in, problems)
	s.checkRequester(&in, a, problems)
	s.checkForm(&in, a, c, problems)
	if len(problems) > 0 {
		return intake{}, &Invalid{problems}
	}
	p, err := s.plan(in.Kind, in.Policy, s.typesOf(in.Identities))
	if err == nil {
		err = narrows(p, in.Fields)
	}
	if err != nil {
		return intake{}, err
	}
	in.due, in.derivation, err = Deadline(in.ReceivedAt, c, false)
	return in, err
}

func (s *Service) checkKind(in *intake, problems map[string]string) {
	if !slices.Contains([]datamap.Kind{datamap.Access, datamap.Export, datamap.Erasure}, in.Kind) {
		problems["kind"] = "Choose what is asked for: access, export or erasure."
		return
	}
	p, ok := s.policy(in.Kind, in.Policy)
	if !ok {
		problems["policy"] = "There is no such policy for this kind of request: leave it empty for the usual one."
		return
	}
	in.Policy = p.Name
}

// checkIdentities normalises identities and drops those given twice.
func (s *Service) checkIdentities(in *intake, c Controller, problems map[string]string) {
	given := in.Identities
	in.Identities = nil
	if len(given) > maxIdentities {
		problems["identities"] = fmt.Sprintf("At most %d identities can go into one request.", maxIdentities)
		return
	}
	for _, id := range given {
		normal, problem := s.normalise(id, c.Country)
		if problem == "" {
			if !slices.Contains(in.Identities, normal) {
				in.Identities = append(in.Identities, normal)
			}
			continue
		}
		field := id.Type
		if !slices.Contains(s.types, id.Type) && id.Type != datamap.Row {
			field = "identities"
		}
		problems[field] = problem
	}
	if len(given) == 0 {
		problems["identities"] = "Give at least one identity by which the person can be found: " + strings.Join(s.types, ", ") + "."
	}
}

// normalise checks one identity; problem is a sentence, without the value.
func (s *Service) normalise(id Identity, country string) (normal Identity, problem string) {
	if id.Type == datamap.Row {
		id.Value = strings.TrimSpace(id.Value)
		if problem := plainText(id.Value, maxIdentity); problem != "" {
			return id, problem
		}
		typ, _, err := datamap.PickedRow(s.c.Map, id.Value)
		if err == nil {
			err = datamap.MayPick(s.c.Map, strings.TrimPrefix(typ, datamap.Row+":"))
		}
		if err != nil {
			return id, titled(err)
		}
		return id, ""
	}
	id.Type = datamap.IdentityType(id.Type)
	if !slices.Contains(s.types, id.Type) {
		return id, "The data map knows no identity of that type: known are " + strings.Join(s.types, ", ") + "."
	}
	if id.Value = strings.TrimSpace(id.Value); id.Value == "" {
		return id, "This field is empty."
	}
	if problem := plainText(id.Value, maxIdentity); problem != "" {
		return id, problem
	}
	value, err := datamap.Normalise(id.Type, id.Value, country)
	if err != nil {
		return id, titled(err)
	}
	return Identity{Type: id.Type, Value: value}, ""
}

// checkRequester holds the rules on who may ask for another: there is a name
// and an address, and a mandate is on the record as seen only by staff (by
// whom and when; never a copy of the paper).
func (s *Service) checkRequester(in *intake, a Actor, problems map[string]string) {
	q := &in.Requester
	if q.As == "" {
		q.As = self
	}
	if !slices.Contains(requesters, q.As) {
		problems["requester"] = "Choose who asks: " + strings.Join(requesters, ", ") + "."
		return
	}
	q.Name, q.Address, q.Mandate = strings.TrimSpace(q.Name), strings.TrimSpace(q.Address), strings.TrimSpace(q.Mandate)
	if q.As == self {
		if q.Mandate != "" {
			problems["mandate"] = "Who asks for themselves needs no mandate: leave this empty, or choose who asks."
		}
		if q.Name != "" || q.Address != "" {
			problems["requester"] = "Name and address are those of somebody who asks for the person: choose who that is, or leave both empty."
		}
		return
	}
	if q.Name == "" {
		problems["requester_name"] = "Give the name of the one who asks."
	} else if problem := plainText(q.Name, maxName); problem != "" {
		problems["requester_name"] = problem
	}
	if q.Address == "" {
		problems["requester_address"] = "Give the mail address of the one who asks."
	} else if problem := plainText(q.Address, maxIdentity); problem != "" {
		problems["requester_address"] = problem
	} else if _, err := datamap.Normalise("email", q.Address, ""); err != nil {
		problems["requester_address"] = titled(err)
	}
	switch {
	case q.Mandate == "" && in.Verified != "":
		problems["mandate"] = "Say which mandate you have seen, for example: power of attorney of 3 May 2026."
	case q.Mandate == "":
	case !a.isStaff() || in.Channel == "form":
		problems["mandate"] = "A mandate is recorded by the organisation once it has seen it."
	default:
		if problem := wordsWithout(q.Mandate, append(valuesIn(in.Identities), q.Name, q.Address)); problem != "" {
			problems["mandate"] = problem
		}
	}
}

// checkForm checks the rest, and what only staff may say.
func (s *Service) checkForm(in *intake, a Actor, c Controller, problems map[string]string) {
	if !slices.Contains([]string{"form", "console", "cli"}, in.Channel) {
		problems["channel"] = "The channel is one of form, console, cli."
	}
	staff := a.isStaff() && in.Channel != "form"
	own := c.Delivery
	if own == "" {
		own = "link"
	}
	if in.Delivery == "" {
		in.Delivery = own
	}
	switch {
	case !slices.Contains([]string{"link", "attachment", "hand"}, in.Delivery):
		problems["delivery"] = "Choose how the answer is delivered: link, attachment or hand."
	case in.Delivery == "attachment" && own != "attachment" && !staff:
		problems["delivery"] = "This organisation does not send archives as attachments: choose link or hand."
	}
	if in.Language == "" {
		in.Language = c.Language
	}
	if in.Language == "" {
		in.Language = "en"
	}
	if len(in.Language) > 20 || !languageTag.MatchString(in.Language) {
		problems["language"] = "Give the language as a code, like en or cs."
	}
	now := s.now()
	switch {
	case in.ReceivedAt.IsZero():
		in.ReceivedAt = now
	case !staff:
		problems["received_at"] = "Only the organisation itself can say when a request was received."
	case in.ReceivedAt.After(now):
		problems["received_at"] = "The day of receipt lies in the future."
	case in.ReceivedAt.Before(now.AddDate(-5, 0, 0)):
		problems["received_at"] = "The day of receipt lies more than five years back."
	}
	in.ReceivedAt = in.ReceivedAt.UTC().Truncate(time.Microsecond)
	in.Verified = strings.TrimSpace(in.Verified)
	if len(in.Fields) > 0 && !staff {
		// A wrong guess would be answered with "we hold nothing", and a right one tell that it is right.
		problems["fields"] = "Only the organisation itself narrows a request: leave the fields away."
	}
	if slices.ContainsFunc(in.Identities, func(id Identity) bool { return id.Type == datamap.Row }) && (!staff || in.Verified == "") {
		// Nobody can prove a key: somebody who has seen the person takes it upon them.
		problems[datamap.Row] = "Only the organisation itself picks rows, and says how it verified that they are the person's."
	}
	switch {
	case in.Verified == "":
	case !staff:
		problems["verified"] = "Only the organisation itself can verify an identity."
	default:
		if problem := wordsOnRecord(in.Verified, valuesIn(in.Identities)); problem != "" {
			problems["verified"] = problem
		}
	}
}

// plainText says what is wrong with one line of text, or returns "".
func plainText(text string, most int) string {
	switch {
	case !utf8.ValidString(text):
		return "This text is not valid UTF-8."
	case utf8.RuneCountInString(text) > most:
		return fmt.Sprintf("This text is too long: at most %d characters.", most)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "This text holds a control character (a line break, a tab, …): type it in one line."
	case strings.ContainsFunc(text, turns):
		return "This text holds an invisible mark that turns the direction of writing: type it anew."
	}
	return ""
}

// turns tells the marks that turn all that follows them on the same line, also what
// is not the writer's own: an address, whether a mandate was seen. Those that belong
// to a single letter (U+200E, U+200F, U+061C) are part of some scripts' writing.
func turns(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) && r > '\u200f' }

// reasonText checks the DPO's words for a refusal or an extension, which may
// have several lines.
func reasonText(reason string) (string, error) {
	reason = strings.TrimSpace(strings.ReplaceAll(reason, "\r\n", "\n"))
	problem := ""
	switch {
	case reason == "":
		problem = "Give the reasons: the person must be told them (Art. 12(3) and (4))."
	case !utf8.ValidString(reason):
		problem = "This text is not valid UTF-8."
	case utf8.RuneCountInString(reason) > maxReason:
		problem = fmt.Sprintf("The reasons are too long: at most %d characters.", maxReason)
	case strings.ContainsFunc(reason, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		problem = "The reasons hold a control character."
	}
	if problem != "" {
		return "", &Invalid{Fields: map[string]string{"reason": problem}}
	}
	return reason, nil
}

func (s *Service) typesOf(ids []Identity) []string {
	var types []string
	for _, id := range ids {
		types = append(types, s.seed(id).Type)
	}
	return types
}

func valuesIn(ids []Identity) []string {
	var values []string
	for _, id := range ids {
		values = append(values, id.Value)
	}
	return values
}
