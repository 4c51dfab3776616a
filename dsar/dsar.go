// Package dsar is the life of a data-subject request: taken in, proved,
// decided, carried out in every source, answered in time, and forgotten.
//
// It knows nothing of HTTP, SMTP, the queue or the SQL of the sources: what it
// needs of them are the small interfaces below, and cmd joins them. Open
// lifecycle.go for the states, deadline.go for the days, submit.go for where
// it starts.
package dsar

import (
	"context"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Source is what requests ask of a source. internal/source/postgres is one.
type Source interface {
	// Find counts what a walk reaches and lists the rows that seeds matched. It changes nothing.
	Find(ctx context.Context, w source.Walk) (source.Found, error)
	// Snapshot opens one consistent view for an archive.
	Snapshot(ctx context.Context, w source.Walk) (source.Snapshot, error)
	// Erase carries out the walk's plan in one transaction. It calls note just
	// before that commits; when note fails, it rolls back.
	Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error)
	// DryRun tells what Erase would do now: the counts that it would note, or the
	// error by which it would refuse. It changes nothing.
	DryRun(ctx context.Context, w source.Walk, h Holds) ([]source.Finding, error)
	// After serves the time after an erasure's commit.
	After
}

// After is what is asked of a source once an erasure may have committed.
type After interface {
	// Outcome tells what became of the transaction noted.
	Outcome(ctx context.Context, xid string) (source.Outcome, error)
	// Look looks again, in a new transaction, by the seeds and by the keys
	// erased, for anything that the policy targets.
	Look(ctx context.Context, w source.Walk, h Holds, erased []source.RowKey) (source.Remainder, error)
}

// Holds are what stands under a legal hold when an erasure runs.
type Holds = source.Holds

// A Work is one job to be queued. It holds identifiers of Lethe's own only.
type Work struct {
	Kind string // "step", "letter"
	ID   int64
	Run  int
	At   time.Time // not before; zero: now
}

// Queue inserts work in the transaction of the change that needs it.
type Queue interface {
	Insert(ctx context.Context, tx pgx.Tx, work ...Work) error
	// Hurry makes due now what rests before it is tried again, and tells how many did.
	Hurry(ctx context.Context, tx pgx.Tx, work ...Work) (int, error)
}

// HoldFinder says which holds touch a controller's rows. retention is one.
type HoldFinder interface {
	// Holds returns the active holds of the controller for a kind of plan.
	Holds(ctx context.Context, controller string) (Holds, error)
}

// Mailer sends one letter. internal/mail is one.
type Mailer interface {
	// Send returns nil once the server has accepted the letter. A final
	// refusal (5xx) is a *MailError with Final set.
	Send(ctx context.Context, l Letter) error
}

// MailError is what is kept of an SMTP failure: its code, never its text.
type MailError struct {
	Code  int // 0: no answer at all
	Final bool
	Doing string // "connecting", "starting TLS", "sending"
}

// A Letter is one mail to be rendered and sent.
type Letter struct {
	ID          int64
	Kind        string // as letters.kind
	MessageID   string // "<…@…>", deterministic
	To          string
	Language    string
	Controller  Controller
	RequestID   int64
	RequestKind datamap.Kind
	ReceivedAt  time.Time
	DueOn       time.Time
	Link        string // confirm, archive
	StatusLink  string
	ExpiresAt   time.Time           // of Link
	Reason      string              // refused, extended
	Findings    []source.Finding    // erased: what was erased, masked, kept
	Changed     bool                // erased: something was erased or masked, be it in rows that stay
	Told        bool                // erased: recipients are written to (Art. 19)
	Coded       map[string]bool     // erased: the collections in whose masked rows something is pseudonymised only
	Remains     map[string][]string // erased: by collection, the personal fields that stay as they are in rows that are not deleted
	Kept        []string            // sentences
	Narrowed    []string            // archive, erased, nothing: the part that was asked for
	Recipient   string              // notice: name of the recipient told; ask: the desk
	Notices     []Notice            // notice: what they are told of, by number
	Holds       string              // ask: what lies there, in words
	Part        bool                // ask: not everything is asked for
	Late        bool                // ask_again: the day is over by which an answer was due
	ByHand      []string            // erased: what people erased by hand
	Mentions    []string            // erased: what was taken out of other people's text
	// Attachment, when set, is the archive itself.
	Attachment func(ctx context.Context) (name string, r io.ReadCloser, err error)
}

// A Notice tells a recipient of one erasure.
type Notice struct {
	RequestID int64
	Named     string // by what they find the person, a line each; may be empty
}

// A Controller is the profile of one controller, from lethe.yaml.
type Controller struct {
	Key, Name, Address, Registration string
	Country, Region                  string // CZ, DE; DE-BY
	Scope                            string // its own value in the sources
	DPO                              string // mail address
	Language                         string
	Location                         *time.Location
	Authority                        string
	From                             string // sender; empty: mail.from
	PublicURL                        string
	ScrubAfter                       time.Duration
	Delivery                         string
	Automated                        string // Art. 15(1)(h), in words
}

// An Actor is who does something. The check of what they may see and do is in access.go alone.
type Actor struct {
	Name        string   // for the record: "staff:7", "operator", "subject" (the public form), "system"
	All         bool     // the operator on the command line, the processor's staff
	Controllers []string // else: these only
	ReadOnly    bool
}

// Statuses of a request.
type Status string

// The statuses; lifecycle.go has the one table of allowed moves.
const (
	Received  Status = "received"
	InReview  Status = "in_review"
	Running   Status = "running"
	Fulfilled Status = "fulfilled"
	Refused   Status = "refused"
	Withdrawn Status = "withdrawn"
	Lapsed    Status = "lapsed"
)

// A Submission is a form filled in.
type Submission struct {
	Controller string
	Kind       datamap.Kind
	Policy     string // empty: the built-in one of the kind
	Identities []Identity
	Fields     map[string]string // custom request fields by name; they narrow collections
	Requester  Requester
	Delivery   string    // empty: the controller's
	Language   string    // empty: the controller's
	Channel    string    // form, console, cli
	ReceivedAt time.Time // zero: now; the DPO may enter when a paper letter arrived
	Verified   string    // how the DPO verified all identities; empty: a link is mailed
}

// An Identity as it was typed.
type Identity struct{ Type, Value string }

// A Requester asks for a subject.
type Requester struct {
	As      string // self, parent, guardian, lawyer, agent
	Name    string
	Address string // mail address, where As is not self
	Mandate string // what was seen: "power of attorney of 3 May 2026"
}

// Submitted is what became of a submission.
type Submitted struct {
	ID          int64
	StatusToken string // for the subject's status page; shown once
	Joined      bool   // an open request of the same proved identities took it in
	Into        int64  // that request; 0 when not joined. For staff only
}

// A Request in full, as pages, commands and JSON show it. Times are UTC.
type Request struct {
	ID            int64
	Controller    string
	Kind          datamap.Kind
	Policy        string
	Status        Status
	Waiting       string // in words, which person or other request it waits for; empty: for nobody (Lethe itself may be at work)
	Delayed       string // in words, what keeps it from going on just now, though Lethe tries again by itself; empty: nothing
	JoinedInto    int64  // the older request that took it in; 0: none
	Channel       string
	Delivery      string
	ReceivedAt    time.Time
	DueOn         time.Time // a day, at UTC midnight
	Derivation    string
	Extended      bool
	ApprovedAt    time.Time
	ApprovedBy    string
	IncludeShared bool
	FinishedAt    time.Time
	ScrubAt       time.Time
	Scrubbed      bool
	Requester     Requester
	MandateBy     string
	Identities    []ProvedIdentity
	Fields        map[string]string // custom request fields that came with it; forgotten at its end
	Roots         []RootRow
	Disagree      bool // root rows disagree on the person, and nobody ticked yet
	Findings      []source.Finding
	Steps         []Step
	Asks          []Ask     // what people were asked
	Mentions      []Mention // where the person stands in other people's text
	FirstApproval FirstApproval
	Letters       []LetterState
	Archive       *ArchiveState
	Missing       []string // what the letter lacks, by configuration
	Reason        string
	Timeline      []Event
}

// ProvedIdentity is one identity of a request. Value is empty once scrubbed.
type ProvedIdentity struct {
	ID       int64
	Type     string
	Value    string
	ProvedAt time.Time // zero: not proved
	How, By  string
}

// RootRow is a row that an identity matched, as the DPO sees it.
type RootRow struct {
	Source string
	source.RowKey
	Types  []string
	Person map[string]string
	Stored map[string]string
	Proved bool
	Ticked *bool // nil: undecided
}

// A Step is one unit of a request's work on one source.
type Step struct {
	ID         int64
	Stage      string // locate, discover, ask, archive, erase, mentions
	Source     string
	Run        int
	Status     string // waiting, running, asked (a person), done, failed, dropped
	Attempts   int
	Error      string // code
	Message    string // sentence
	StartedAt  time.Time
	FinishedAt time.Time
}

// LetterState is a letter as the DPO sees it.
type LetterState struct {
	ID       int64
	Kind     string
	To       string // empty once scrubbed
	Nobody   bool   // there was no address on record to send it to, see addLetter
	Status   string // waiting, sent, failed, dropped
	Attempts int
	Code     int    // the mail server's last, 0: none
	Message  string // a sentence for the DPO when it was put off or refused; else empty
	SentAt   time.Time
}

// ArchiveState is the archive of a request.
type ArchiveState struct {
	Size       int64
	SHA256     string
	SealedAt   time.Time
	ExpiresAt  time.Time
	Deleted    bool
	Deliveries int // those that were not broken off
}

// An Event is one line of the time line, from the ledger.
type Event struct {
	At    time.Time
	Type  string
	Actor string
	Text  string
}

// A Filter narrows List.
type Filter struct {
	Controller string
	Statuses   []Status // nil: the open ones
	All        bool
	Kind       datamap.Kind
	DueBefore  time.Time
	Limit      int // 0: 100
	Offset     int
}

// An Approval is the DPO's yes.
type Approval struct {
	// Rows: nil when nothing disagrees; ["all"], or "dataset.collection:key" each.
	Rows          []string
	IncludeShared bool
}
