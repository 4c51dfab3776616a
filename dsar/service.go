package dsar

import (
	"context"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Config is what a Service is made of. Every field is needed unless it says otherwise.
type Config struct {
	Pool        *pgxpool.Pool // the control database
	Map         *datamap.Map
	Policies    []datamap.Policy // beside the built-in ones
	Sources     map[string]Source
	Controllers map[string]Controller
	Recipients  []archive.Recipient // with Notify addresses in Notify
	Notify      map[string]Notify   // by recipient's key: who is told of erasures
	Periods     []archive.Period    // what the retention rules promise, for letters
	PublicURL   string
	Keys        *keys.Set
	Storage     *archive.Storage
	Queue       Queue
	Holds       HoldFinder // nil: none
	Now         func() time.Time
	Rand        io.Reader // crypto/rand.Reader
}

// Notify is where a recipient hears of an erasure (Art. 19).
type Notify struct{ Name, Address string }

// Service carries out everything that happens to requests.
type Service struct{ c Config }

// New checks the configuration.
func New(c Config) (*Service, error) { return &Service{c: c}, nil }

// Submit takes a request in. Errors are *Invalid with one problem per field, or a fault.
func (s *Service) Submit(ctx context.Context, a Actor, sub Submission) (Submitted, error) {
	panic("to be built")
}

// Preview finds, and changes nothing: the DPO's form and `lethe find`.
func (s *Service) Preview(ctx context.Context, a Actor, controller string, kind datamap.Kind, policy string, ids []Identity) (source.Found, error) {
	panic("to be built")
}

// Get returns a request in full. Identities are decrypted: for staff eyes only.
func (s *Service) Get(ctx context.Context, a Actor, id int64) (Request, error) { panic("to be built") }

// List returns requests by due day, without identities, roots, steps and letters; and how many there are in all.
func (s *Service) List(ctx context.Context, a Actor, f Filter) ([]Request, int, error) {
	panic("to be built")
}

// TokenInfo is what a page may show before the button is pressed: no personal data.
type TokenInfo struct {
	Purpose    string // confirm, status, download
	RequestID  int64
	Kind       datamap.Kind
	Controller Controller
	Status     Status
	ReceivedAt time.Time
	DueOn      time.Time
	ExpiresAt  time.Time
	UsesLeft   int
	Size       int64 // download: bytes
	// CanWithdraw: the subject may still take the request back.
	CanWithdraw bool
}

// Token looks at a link without using it. Wrong, used, expired and foreign
// tokens all give ErrNoToken.
func (s *Service) Token(ctx context.Context, token, purpose string) (TokenInfo, error) {
	panic("to be built")
}

// Confirm uses a confirmation link: it proves the identities that the link was made for.
func (s *Service) Confirm(ctx context.Context, token string) (TokenInfo, error) {
	panic("to be built")
}

// WithdrawByToken lets the subject take the request back with the status link.
func (s *Service) WithdrawByToken(ctx context.Context, token string) error { panic("to be built") }

// Download uses one of the download link's turns and streams the archive in
// clear through begin, which is told its name and size once it is sure to exist.
func (s *Service) Download(ctx context.Context, token string, begin func(name string, size int64) io.Writer) error {
	panic("to be built")
}

// Verify proves one identity by the DPO's word; how is kept ("passport seen at the counter").
func (s *Service) Verify(ctx context.Context, a Actor, id, identity int64, how string) error {
	panic("to be built")
}

// Approve lets the work begin.
func (s *Service) Approve(ctx context.Context, a Actor, id int64, ap Approval) error {
	panic("to be built")
}

// Refuse ends a request (Art. 12(4)) with reasons; the letter names the remedies.
func (s *Service) Refuse(ctx context.Context, a Actor, id int64, reason string) error {
	panic("to be built")
}

// Extend moves the deadline by two months, within the first one, with reasons (Art. 12(3)).
func (s *Service) Extend(ctx context.Context, a Actor, id int64, reason string) error {
	panic("to be built")
}

// Withdraw ends a request on the subject's word to the DPO.
func (s *Service) Withdraw(ctx context.Context, a Actor, id int64) error { panic("to be built") }

// Retry puts failed steps and letters of a request back to work.
func (s *Service) Retry(ctx context.Context, a Actor, id int64) error { panic("to be built") }

// Draft writes the archive as it would be now, unsealed, for the DPO's eyes.
func (s *Service) Draft(ctx context.Context, a Actor, id int64, w io.Writer) error {
	panic("to be built")
}

// HandOver writes the sealed archive for the DPO to hand over, on the record.
// With delivery "hand" it fulfils the request.
func (s *Service) HandOver(ctx context.Context, a Actor, id int64, w io.Writer) error {
	panic("to be built")
}

// RunStep carries out one step. It is safe to run again after a kill at any point.
// A *Permanent error is not retried; what else comes back is.
func (s *Service) RunStep(ctx context.Context, id int64, run int) error { panic("to be built") }

// SendLetter sends one letter, unless it is sent. The same rules for errors.
func (s *Service) SendLetter(ctx context.Context, id int64, run int, m Mailer) error {
	panic("to be built")
}

// GiveUp marks a step or letter failed whose job the queue has discarded.
func (s *Service) GiveUp(ctx context.Context, w Work) error { panic("to be built") }

// Minute does what time asks for: reminders, lapses, expired archives, records
// to scrub, steps and letters that wait although no job of theirs is alive (alive tells).
func (s *Service) Minute(ctx context.Context, alive func(ctx context.Context, w []Work) (map[Work]bool, error)) error {
	panic("to be built")
}

// OpenWalks are the walks of open requests: no sweep may touch their rows.
func (s *Service) OpenWalks(ctx context.Context) ([]source.Walk, error) { panic("to be built") }
