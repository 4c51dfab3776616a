package web

import (
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/retention"
)

func ptr[T any](v T) *T { return &v }

// inReview is an access request whose rows disagree on the person.
func inReview() dsar.Request {
	at := time.Date(2026, 11, 20, 9, 12, 0, 0, time.UTC)
	return dsar.Request{
		ID: 17, Controller: "bota", Kind: datamap.Access, Policy: "access", Status: dsar.InReview, Channel: "form", Delivery: "link",
		Waiting: "Waits for your tick: the rows found disagree on the person.", ReceivedAt: at, DueOn: date(2026, 12, 21),
		Derivation: "20 November + 1 month = 20 December, a Sunday, so Monday 21 December.",
		Requester:  dsar.Requester{As: "self"},
		Identities: []dsar.ProvedIdentity{
			{ID: 31, Type: "email", Value: "png1@example.org", ProvedAt: at.Add(8 * time.Minute), How: "link"},
			{ID: 32, Type: "phone", Value: "+420601000609"},
		},
		Disagree: true,
		Roots: []dsar.RootRow{
			{Source: "livechat", RowKey: source.RowKey{Collection: "livechat.contacts", Key: "1"}, Types: []string{"email"}, Proved: true,
				Person: map[string]string{"name": "Pavla", "surname": "Ng", "email": "png1@example.org"}},
			{Source: "livechat", RowKey: source.RowKey{Collection: "livechat.contacts", Key: "608"}, Types: []string{"email"}, Proved: true,
				Person: map[string]string{"name": "Ester", "surname": "Ng", "email": "PNG1@EXAMPLE.ORG", "phone": "+420 601 000 608"}},
			{Source: "livechat", RowKey: source.RowKey{Collection: "livechat.contacts", Key: "609"}, Types: []string{"phone"},
				Person: map[string]string{"name": "Jan"}},
		},
		Findings: []source.Finding{
			{Source: "livechat", Collection: "livechat.contacts", Rows: 2},
			{Source: "livechat", Collection: "livechat.visitors", Rows: 3, Shared: 1},
			{Source: "livechat", Collection: "livechat.visits", Rows: 1214},
			{Source: "livechat", Collection: "livechat.conversations", Rows: 4},
			{Source: "livechat", Collection: "livechat.messages", Rows: 11},
			{Source: "livechat", Collection: "livechat.attachments"},
		},
		Steps: []dsar.Step{
			{ID: 1, Stage: "locate", Source: "livechat", Run: 1, Status: "done", Attempts: 1, FinishedAt: at.Add(time.Second)},
			{ID: 2, Stage: "discover", Source: "livechat", Run: 2, Status: "failed", Attempts: 3, Error: "source_down",
				Message: "The source livechat cannot be reached. The other sources go on; try again once it is back."},
		},
		Letters: []dsar.LetterState{
			{ID: 1, Kind: "confirm", To: "png1@example.org", Status: "sent", Attempts: 1, SentAt: at.Add(2 * time.Second)},
			{ID: 2, Kind: "remind", To: "png1@example.org", Status: "failed", Attempts: 2, Code: 550,
				Message: "The mail server refused the letter \"remind\" for good (550): find another way to reach the person, or retry."},
		},
		Missing: []string{"Nobody to complain to is configured (authority).", "The purposes of livechat.visits are not in the data map (data_uses)."},
		Timeline: []dsar.Event{
			{At: at, Type: "request.received", Actor: "subject", Text: "Received by the public form"},
			{At: at.Add(8 * time.Minute), Type: "identity.proved", Actor: "subject"},
			{At: at.Add(9 * time.Minute), Type: "request.in_review", Actor: "system", Text: "In review"},
		},
	}
}

// fulfilled is an erasure that is done and scrubbed.
func fulfilled() dsar.Request {
	at := time.Date(2026, 10, 5, 8, 0, 0, 0, time.UTC)
	r := inReview()
	r.ID, r.Kind, r.Status, r.Waiting, r.Disagree, r.Missing = 9, datamap.Erasure, dsar.Fulfilled, "", false, nil
	r.ReceivedAt, r.DueOn, r.FinishedAt, r.Scrubbed = at, date(2026, 11, 5), at.AddDate(0, 0, 3), true
	r.Derivation = "5 October + 1 month = 5 November, a Thursday."
	r.ApprovedAt, r.ApprovedBy = at.AddDate(0, 0, 2), "staff:1"
	for i := range r.Identities {
		r.Identities[i].Value = ""
	}
	for i := range r.Letters {
		r.Letters[i].To = ""
	}
	r.Roots = []dsar.RootRow{{Source: "livechat", RowKey: source.RowKey{Collection: "livechat.contacts", Key: "1"}, Types: []string{"email"}, Proved: true, Ticked: ptr(true)}}
	r.Findings = []source.Finding{
		{Source: "livechat", Collection: "livechat.contacts", Rows: 1, Erased: 1},
		{Source: "livechat", Collection: "livechat.visits", Rows: 1214, Erased: 1100, Masked: 100, Held: 14, Shared: 2},
	}
	r.Steps = r.Steps[:1]
	return r
}

// many are open requests of two controllers with deadlines around today.
func many(n int) map[int64]dsar.Request {
	all := map[int64]dsar.Request{}
	kinds := []datamap.Kind{datamap.Access, datamap.Erasure, datamap.Export}
	states := []dsar.Status{dsar.InReview, dsar.Received, dsar.Running, dsar.Fulfilled, dsar.InReview}
	for i := range n {
		id := int64(100 + i)
		r := dsar.Request{ID: id, Controller: []string{"bota", "stiefel", "bota"}[i%3], Kind: kinds[i%3], Status: states[i%5],
			ReceivedAt: date(2026, 10, 20).AddDate(0, 0, i), DueOn: date(2026, 11, 20).AddDate(0, 0, i)}
		switch r.Status {
		case dsar.Received:
			r.Waiting = "Waits for the person to confirm by the link in the mail."
		case dsar.InReview:
			r.Waiting = "Waits for your decision: approve or refuse."
		}
		all[id] = r
	}
	return all
}

func someRules() []retention.RuleState {
	return []retention.RuleState{
		{Name: "ssupp-cookies", Collection: "livechat.identifiers", Then: "delete", Keep: "P6M", Schedule: "17 3 * * *", Why: "The vendor documents six months for ssupp.vid and ssupp.visits.",
			Approved: true, ApprovedBy: "staff:1", ApprovedAt: date(2026, 11, 1), NextDue: time.Date(2026, 11, 24, 3, 17, 0, 0, time.UTC),
			Last: &retention.Result{Rule: "ssupp-cookies", Expired: 310, Held: 2, Deleted: 308, Status: "done"}, LastAt: time.Date(2026, 11, 23, 3, 17, 4, 0, time.UTC)},
		{Name: "visits-25-months", Collection: "livechat.visits", Then: "unlink", Keep: "P25M", Schedule: "CRON_TZ=Europe/Prague 30 4 * * 0", Why: "CNIL's figure for what audience cookies collect.",
			NextDue: time.Date(2026, 11, 29, 3, 30, 0, 0, time.UTC),
			Last:    &retention.Result{Rule: "visits-25-months", Expired: 1204, DryRun: true, Status: "done"}, LastAt: time.Date(2026, 11, 22, 3, 30, 1, 0, time.UTC)},
	}
}

func someForecast() []retention.Forecast {
	return []retention.Forecast{
		{Rule: "ssupp-cookies", Collection: "livechat.identifiers", Name: "ssupp.vid", Now: 201, In30: 77, In90: 310},
		{Rule: "ssupp-cookies", Collection: "livechat.identifiers", Name: "ssupp.visits", Now: 198, In30: 80, In90: 305},
		{Rule: "visits-25-months", Collection: "livechat.visits", Now: 1204, In30: 44, In90: 120},
		{Collection: "livechat.identifiers", Name: "ssupp_<CHAT_KEY>message", Never: 1860, Why: "no documented end: it stays until it is deleted in the browser"},
	}
}

func someHolds() []retention.Hold {
	return []retention.Hold{
		{ID: 1, Controller: "bota", Type: "email", Value: "held@example.org", Reason: "Claim 12/2026 at the district court", PlacedBy: "staff:1", PlacedAt: date(2026, 11, 2), Until: date(2027, 5, 31)},
		{ID: 2, Controller: "stiefel", Collection: "livechat.messages", Reason: "Audit", PlacedBy: "operator", PlacedAt: date(2026, 11, 3)},
	}
}

// hostile is what nobody should be able to bring into a page.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{.}}`

// hostileRequest holds it in every field.
func hostileRequest() dsar.Request {
	r := inReview()
	r.ID = 66
	r.Policy, r.Waiting, r.Delayed, r.Derivation, r.Reason, r.Delivery, r.Channel, r.MandateBy, r.ApprovedBy = hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile
	r.ApprovedAt = r.ReceivedAt
	r.Kind, r.Status = datamap.Kind(hostile), dsar.InReview
	r.Requester = dsar.Requester{As: hostile, Name: hostile, Address: hostile, Mandate: hostile}
	r.Identities = []dsar.ProvedIdentity{{ID: 1, Type: hostile, Value: hostile}, {ID: 2, Type: hostile, Value: hostile, ProvedAt: r.ReceivedAt, How: hostile, By: hostile}}
	r.Roots = []dsar.RootRow{{Source: hostile, RowKey: source.RowKey{Collection: hostile, Key: hostile}, Types: []string{hostile}, Proved: true, Person: map[string]string{hostile: hostile}}}
	r.Fields = map[string]string{hostile: hostile}
	r.Findings = []source.Finding{{Source: hostile, Collection: hostile, Rows: 1, Shared: 1}}
	r.Steps = []dsar.Step{{ID: 1, Stage: hostile, Source: hostile, Status: hostile, Error: hostile, Message: hostile}}
	r.Letters = []dsar.LetterState{{ID: 1, Kind: hostile, To: hostile, Status: hostile, Message: hostile}}
	r.Missing = []string{hostile}
	r.Archive = &dsar.ArchiveState{SHA256: hostile, Size: 1}
	r.Timeline = []dsar.Event{{Type: hostile, Actor: hostile, Text: hostile}, {Type: hostile, Actor: hostile}}
	return r
}

func tokenInfo(status dsar.Status) dsar.TokenInfo {
	return dsar.TokenInfo{RequestID: 17, Kind: datamap.Access, Status: status,
		Controller: dsar.Controller{Key: "bota", Name: "Bota Shop", DPO: "dpo@bota.example", Authority: "ÚOOÚ"},
		ReceivedAt: time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC), DueOn: date(2026, 12, 21),
		ExpiresAt: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), UsesLeft: 5, Size: 48_213, CanWithdraw: status == dsar.Received}
}
