package mail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"unicode"

	"github.com/wneessen/go-mail"

	"github.com/lethe-dsr/lethe/dsar"
)

// message makes the mail of a letter.
func (s *Sender) message(ctx context.Context, l dsar.Letter) (*mail.Msg, error) {
	to, err := address(l.To)
	if err != nil {
		return nil, err
	}
	from := *s.from
	if l.Controller.From != "" {
		own, err := netmail.ParseAddress(l.Controller.From)
		if err != nil {
			return nil, fmt.Errorf("the sender configured for controller %s is not a mail address", l.Controller.Key)
		}
		from = *own
	}
	if from.Name == "" {
		from.Name = l.Controller.Name
	}
	from.Name = headerText(from.Name)
	text, err := s.letters.render(l)
	if err != nil {
		return nil, err
	}

	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	m.FromMailAddress(&from)
	m.AddToMailAddress(to)
	if dpo, err := netmail.ParseAddress(l.Controller.DPO); err == nil {
		m.ReplyToMailAddress(&netmail.Address{Address: dpo.Address})
	}
	m.Subject(headerText(text.Subject))
	m.SetDateWithValue(s.o.Now())
	if id := headerText(strings.Trim(l.MessageID, "<> \r\n")); id != "" {
		m.SetMessageIDWithValue(id)
	}
	// RFC 3834: no out-of-office note is owed to a letter of this kind.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	m.SetBodyString(mail.TypeTextPlain, text.Text)
	m.AddAlternativeString(mail.TypeTextHTML, text.HTML)
	if l.Attachment != nil {
		if err := s.attach(ctx, m, l); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// attach reads the attachment before a connection is opened: a storage that
// fails half-way must not leave half a letter with the server.
func (s *Sender) attach(ctx context.Context, m *mail.Msg, l dsar.Letter) error {
	name, r, err := l.Attachment(ctx)
	if err != nil {
		return fmt.Errorf("attachment: %w", err)
	}
	defer func() { _ = r.Close() }()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, s.o.MaxAttachment+1))
	if err != nil {
		return fmt.Errorf("attachment: %w", err)
	}
	if n > s.o.MaxAttachment {
		// What a server would say; without asking it.
		return fmt.Errorf("attachment of more than %d bytes: %w", s.o.MaxAttachment, &dsar.MailError{Code: 552, Final: true, Doing: "attaching"})
	}
	return m.AttachReader(headerText(name), &b, mail.WithFileContentType("application/zip"))
}

// address takes an address as it stands in a source: one, bare, and nothing
// beside it. What is none is refused here with the code that a server has for it.
func address(stored string) (*netmail.Address, error) {
	stored = strings.TrimSpace(stored)
	a, err := netmail.ParseAddress(stored)
	if err != nil || a.Address != stored || strings.ContainsFunc(stored, unicode.IsControl) {
		return nil, fmt.Errorf("the recipient's address is none: %w", &dsar.MailError{Code: 553, Final: true, Doing: "reading the recipient's address"})
	}
	return &netmail.Address{Address: a.Address}, nil
}

// headerText makes a text safe for a header: one line, no control or direction-
// changing characters.
func headerText(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)), " ")
}
