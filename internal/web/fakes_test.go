package web

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/retention"
)

// fakeRequests answers what a test has put into it and remembers what it was asked.
type fakeRequests struct {
	kept     map[int64][]dsar.KeptRows
	mu       sync.Mutex
	requests map[int64]dsar.Request
	tokens   map[string]dsar.TokenInfo // "purpose/token"
	asks     map[string]dsar.AskView   // by token
	calls    []call
	fail     error // what every change returns
	found    dsar.Previewed
	trial    dsar.DryRun
	status   string // StatusToken of Submit
	joined   bool
	archive  []byte
	breaks   error // Download, Draft, HandOver: after the first bytes
	panics   any
}

type call struct {
	name  string
	actor dsar.Actor
	id    int64
	arg   any
}

func newFakeRequests() *fakeRequests {
	return &fakeRequests{requests: map[int64]dsar.Request{}, tokens: map[string]dsar.TokenInfo{}, status: "status-token", archive: []byte("PK zip")}
}

func (f *fakeRequests) note(name string, a dsar.Actor, id int64, arg any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics != nil {
		panic(f.panics)
	}
	f.calls = append(f.calls, call{name, a, id, arg})
	return f.fail
}

// named returns the calls of one name.
func (f *fakeRequests) named(name string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []call
	for _, c := range f.calls {
		if c.name == name {
			list = append(list, c)
		}
	}
	return list
}

func (f *fakeRequests) Submit(_ context.Context, a dsar.Actor, sub dsar.Submission) (dsar.Submitted, error) {
	if err := f.note("Submit", a, 0, sub); err != nil {
		return dsar.Submitted{}, err
	}
	return dsar.Submitted{ID: 17, StatusToken: f.status, Joined: f.joined}, nil
}

func (f *fakeRequests) Preview(_ context.Context, a dsar.Actor, asked dsar.Submission) (dsar.Previewed, error) {
	if err := f.note("Preview", a, 0, asked); err != nil {
		return dsar.Previewed{}, err
	}
	return f.found, nil
}

func (f *fakeRequests) Kept(_ context.Context, _ dsar.Actor, id int64) ([]dsar.KeptRows, error) {
	return f.kept[id], nil
}

func (f *fakeRequests) UnsentLetter(_ context.Context, a dsar.Actor, id, letter int64) (dsar.Letter, error) {
	if r, err := f.Get(context.Background(), a, id); err != nil || !slices.ContainsFunc(r.Letters, func(l dsar.LetterState) bool { return l.ID == letter && l.Unsent() }) {
		return dsar.Letter{}, dsar.ErrNotFound
	}
	return dsar.Letter{Kind: "refused", RequestID: id, Reason: "No <proof>"}, nil
}

func (f *fakeRequests) Get(_ context.Context, a dsar.Actor, id int64) (dsar.Request, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.requests[id]
	if !ok || !a.All && !slices.Contains(a.Controllers, r.Controller) {
		return dsar.Request{}, dsar.ErrNotFound
	}
	return r, nil
}

func (f *fakeRequests) List(_ context.Context, a dsar.Actor, filter dsar.Filter) ([]dsar.Request, int, error) {
	_ = f.note("List", a, 0, filter)
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []dsar.Request
	for _, r := range f.requests {
		open := r.Status == dsar.Received || r.Status == dsar.InReview || r.Status == dsar.Running
		switch {
		case !a.All && !slices.Contains(a.Controllers, r.Controller),
			filter.Controller != "" && r.Controller != filter.Controller,
			filter.Kind != "" && r.Kind != filter.Kind,
			!filter.DueBefore.IsZero() && !r.DueOn.Before(filter.DueBefore),
			!filter.All && filter.Statuses == nil && !open,
			filter.Statuses != nil && !slices.Contains(filter.Statuses, r.Status):
			continue
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(x, y dsar.Request) int { return x.DueOn.Compare(y.DueOn) })
	all := len(list)
	list = list[min(filter.Offset, all):]
	if filter.Limit > 0 {
		list = list[:min(filter.Limit, len(list))]
	}
	return list, all, nil
}

func (f *fakeRequests) Token(_ context.Context, token, purpose string) (dsar.TokenInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics != nil {
		panic(f.panics)
	}
	info, ok := f.tokens[purpose+"/"+token]
	if !ok {
		return dsar.TokenInfo{}, dsar.ErrNoToken
	}
	return info, nil
}

func (f *fakeRequests) Confirm(ctx context.Context, token string) (dsar.TokenInfo, error) {
	info, err := f.Token(ctx, token, "confirm")
	if err != nil {
		return info, err
	}
	_ = f.note("Confirm", dsar.Actor{}, info.RequestID, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tokens, "confirm/"+token)
	info.Status = dsar.InReview
	return info, nil
}

func (f *fakeRequests) WithdrawByToken(ctx context.Context, token string) error {
	info, err := f.Token(ctx, token, "status")
	if err != nil {
		return err
	}
	if err := f.note("WithdrawByToken", dsar.Actor{}, info.RequestID, nil); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info.Status, info.CanWithdraw = dsar.Withdrawn, false
	f.tokens["status/"+token] = info
	return nil
}

func (f *fakeRequests) Download(ctx context.Context, token string, begin func(string, int64) io.Writer) error {
	info, err := f.Token(ctx, token, "download")
	if err != nil {
		return err
	}
	if err := f.note("Download", dsar.Actor{}, info.RequestID, nil); err != nil {
		return err
	}
	w := begin("data \"of\" request 17.zip", int64(len(f.archive)))
	return f.write(w)
}

func (f *fakeRequests) write(w io.Writer) error {
	if f.breaks != nil {
		if _, err := w.Write(f.archive[:2]); err != nil {
			return err
		}
		return f.breaks
	}
	_, err := w.Write(f.archive)
	return err
}

func (f *fakeRequests) Verify(_ context.Context, a dsar.Actor, id, identity int64, how string) error {
	return f.note("Verify", a, id, how)
}
func (f *fakeRequests) Approve(_ context.Context, a dsar.Actor, id int64, ap dsar.Approval) error {
	return f.note("Approve", a, id, ap)
}
func (f *fakeRequests) DryRun(_ context.Context, a dsar.Actor, id int64, rows []string) (dsar.DryRun, error) {
	return f.trial, f.note("DryRun", a, id, rows)
}
func (f *fakeRequests) Refuse(_ context.Context, a dsar.Actor, id int64, reason string) error {
	return f.note("Refuse", a, id, reason)
}
func (f *fakeRequests) Extend(_ context.Context, a dsar.Actor, id int64, reason string) error {
	return f.note("Extend", a, id, reason)
}
func (f *fakeRequests) Withdraw(_ context.Context, a dsar.Actor, id int64) error {
	return f.note("Withdraw", a, id, nil)
}
func (f *fakeRequests) Retry(_ context.Context, a dsar.Actor, id int64) error {
	return f.note("Retry", a, id, nil)
}
func (f *fakeRequests) Draft(_ context.Context, a dsar.Actor, id int64, w io.Writer) error {
	if err := f.note("Draft", a, id, nil); err != nil {
		return err
	}
	return f.write(w)
}
func (f *fakeRequests) HandOver(_ context.Context, a dsar.Actor, id int64, w io.Writer) error {
	if err := f.note("HandOver", a, id, nil); err != nil {
		return err
	}
	return f.write(w)
}

func (f *fakeRequests) LookAsk(_ context.Context, token string) (dsar.AskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.asks[token]
	if !ok {
		return dsar.AskView{}, dsar.ErrNoToken
	}
	v.Identities, v.Names = nil, nil
	return v, nil
}
func (f *fakeRequests) OpenAsk(_ context.Context, token string) (dsar.AskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.asks[token]
	if !ok {
		return dsar.AskView{}, dsar.ErrNoToken
	}
	return v, nil
}
func (f *fakeRequests) AddFile(_ context.Context, ref dsar.AskRef, name string, from io.Reader) error {
	content, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return f.note("AddFile", ref.Actor, ref.RequestID, name+"="+string(content))
}
func (f *fakeRequests) RemoveFile(_ context.Context, ref dsar.AskRef, id int64) error {
	return f.note("RemoveFile", ref.Actor, ref.RequestID, id)
}
func (f *fakeRequests) AnswerAsk(_ context.Context, ref dsar.AskRef, answer dsar.AskAnswer) error {
	return f.note("AnswerAsk", ref.Actor, ref.RequestID, answer)
}
func (f *fakeRequests) ReopenAsk(_ context.Context, ref dsar.AskRef) error {
	return f.note("ReopenAsk", ref.Actor, ref.RequestID, ref.Source)
}
func (f *fakeRequests) SkipAsk(_ context.Context, a dsar.Actor, id int64, source, reason string) error {
	return f.note("SkipAsk", a, id, source+": "+reason)
}
func (f *fakeRequests) ResendAsk(_ context.Context, a dsar.Actor, id int64, source string) error {
	return f.note("ResendAsk", a, id, source)
}

func (f *fakeRequests) ShowMention(_ context.Context, a dsar.Actor, id, mention int64) (source.MentionText, bool, error) {
	return source.MentionText{Text: "<b>ask</b> jana@example.org", Spans: [][2]int{{11, 27}}}, true, f.note("ShowMention", a, id, mention)
}
func (f *fakeRequests) DecideMention(_ context.Context, a dsar.Actor, id int64, which []int64, decision, reason string) error {
	return f.note("DecideMention", a, id, fmt.Sprint(which, " ", decision, " ", reason))
}

// fakeRetention is the same for rules and holds.
type fakeRetention struct {
	mu       sync.Mutex
	states   []retention.RuleState
	forecast []retention.Forecast
	slow     bool // Forecast waits for its context's end
	holds    []retention.Hold
	calls    []call
	fail     error
}

func (f *fakeRetention) note(name, actor string, arg any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{name: name, actor: dsar.Actor{Name: actor}, arg: arg})
	return f.fail
}

func (f *fakeRetention) named(name string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []call
	for _, c := range f.calls {
		if c.name == name {
			list = append(list, c)
		}
	}
	return list
}

func (f *fakeRetention) States(context.Context) ([]retention.RuleState, error) { return f.states, nil }

func (f *fakeRetention) Forecast(context.Context) ([]retention.Forecast, error) {
	if f.slow {
		return nil, context.DeadlineExceeded
	}
	return f.forecast, nil
}

func (f *fakeRetention) ApproveRule(_ context.Context, actor, name string) (retention.Result, error) {
	return retention.Result{Rule: name, Expired: 1204}, f.note("ApproveRule", actor, name)
}

func (f *fakeRetention) Sweep(_ context.Context, actor, rule string, dryRun bool, _ func(retention.Result)) ([]retention.Result, error) {
	return []retention.Result{{Rule: rule, Expired: 1204, Held: 1, DryRun: dryRun, Status: "done"}}, f.note("Sweep", actor, dryRun)
}

func (f *fakeRetention) AddHold(_ context.Context, actor string, h retention.Hold) (int64, error) {
	return 3, f.note("AddHold", actor, h)
}

func (f *fakeRetention) ListHolds(_ context.Context, controllers []string, all bool) ([]retention.Hold, error) {
	var list []retention.Hold
	for _, h := range f.holds {
		if slices.Contains(controllers, h.Controller) && (all || h.ReleasedAt.IsZero()) {
			list = append(list, h)
		}
	}
	return list, nil
}

func (f *fakeRetention) ReleaseHold(_ context.Context, actor string, id int64) error {
	return f.note("ReleaseHold", actor, id)
}

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
