package web

import (
	"context"
	"io"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/retention"
)

// Requests is everything the pages ask of requests. *dsar.Service is one.
type Requests interface {
	Intake
	Register
	Links
	Decisions
	Endings
	Archives
	DeskPages
	DeskFiles
	DeskAnswers
	Mentions
}

// Mentions are what stands of the person in other people's text.
type Mentions interface {
	ShowMention(ctx context.Context, a dsar.Actor, id, mention int64) (source.MentionText, bool, error)
	DecideMention(ctx context.Context, a dsar.Actor, id int64, which []int64, decision, reason string) error
}

// DeskPages are what the owner of a source opens from a mail.
type DeskPages interface {
	LookAsk(ctx context.Context, token string) (dsar.AskView, error)
	OpenAsk(ctx context.Context, token string) (dsar.AskView, error)
}

// DeskFiles are what owners hand over.
type DeskFiles interface {
	AddFile(ctx context.Context, ref dsar.AskRef, name string, from io.Reader) error
	RemoveFile(ctx context.Context, ref dsar.AskRef, id int64) error
}

// DeskAnswers are the owners', and what the DPO does about them.
type DeskAnswers interface {
	AnswerAsk(ctx context.Context, ref dsar.AskRef, answer dsar.AskAnswer) error
	ReopenAsk(ctx context.Context, ref dsar.AskRef) error
	SkipAsk(ctx context.Context, a dsar.Actor, id int64, source, reason string) error
	ResendAsk(ctx context.Context, a dsar.Actor, id int64, source string) error
}

// Intake takes requests in.
type Intake interface {
	Submit(ctx context.Context, a dsar.Actor, sub dsar.Submission) (dsar.Submitted, error)
	Preview(ctx context.Context, a dsar.Actor, asked dsar.Submission) (dsar.Previewed, error)
}

// Register shows requests to staff.
type Register interface {
	Get(ctx context.Context, a dsar.Actor, id int64) (dsar.Request, error)
	List(ctx context.Context, a dsar.Actor, f dsar.Filter) ([]dsar.Request, int, error)
	Kept(ctx context.Context, a dsar.Actor, id int64) ([]dsar.KeptRows, error)
	UnsentLetter(ctx context.Context, a dsar.Actor, id, letter int64) (dsar.Letter, error)
}

// Links are what the subject opens from a mail.
type Links interface {
	Token(ctx context.Context, token, purpose string) (dsar.TokenInfo, error)
	Confirm(ctx context.Context, token string) (dsar.TokenInfo, error)
	WithdrawByToken(ctx context.Context, token string) error
	Download(ctx context.Context, token string, begin func(name string, size int64) io.Writer) error
}

// Decisions are the DPO's.
type Decisions interface {
	Verify(ctx context.Context, a dsar.Actor, id, identity int64, how string) error
	Approve(ctx context.Context, a dsar.Actor, id int64, ap dsar.Approval) error
	DryRun(ctx context.Context, a dsar.Actor, id int64, rows []string) (dsar.DryRun, error)
	Refuse(ctx context.Context, a dsar.Actor, id int64, reason string) error
	Extend(ctx context.Context, a dsar.Actor, id int64, reason string) error
}

// Endings end a request, or let it go on.
type Endings interface {
	Withdraw(ctx context.Context, a dsar.Actor, id int64) error
	Retry(ctx context.Context, a dsar.Actor, id int64) error
}

// Archives are opened by the DPO, on the record.
type Archives interface {
	Draft(ctx context.Context, a dsar.Actor, id int64, w io.Writer) error
	HandOver(ctx context.Context, a dsar.Actor, id int64, w io.Writer) error
}

// Retention is everything the pages ask of retention. *retention.Service is one.
type Retention interface {
	Rules
	Holds
}

// Rules are shown, tried and approved.
type Rules interface {
	States(ctx context.Context) ([]retention.RuleState, error)
	Forecast(ctx context.Context) ([]retention.Forecast, error)
	ApproveRule(ctx context.Context, actor, name string) (retention.Result, error)
	Sweep(ctx context.Context, actor, rule string, dryRun bool, progress func(retention.Result)) ([]retention.Result, error)
}

// Holds are placed, listed and released.
type Holds interface {
	AddHold(ctx context.Context, actor string, h retention.Hold) (int64, error)
	ListHolds(ctx context.Context, controllers []string, all bool) ([]retention.Hold, error)
	ReleaseHold(ctx context.Context, actor string, id int64) error
}
