package mailbox

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// parse takes a mail apart. What cannot be understood is shown as it came:
// a mail that was accepted is never lost.
func parse(raw []byte) Message {
	msg := Message{Raw: raw}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		msg.Text = string(raw)
		return msg
	}
	msg.Header = m.Header
	msg.Subject = decoded(m.Header.Get("Subject"))
	msg.MessageID = m.Header.Get("Message-Id")
	if at, err := m.Header.Date(); err == nil {
		msg.Received = at
	}
	walk(&msg, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), "", m.Body, 0)
	return msg
}

func decoded(s string) string {
	if d, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		return d
	}
	return s
}

// walk reads one part and those inside it. Parts deeper than a handful are none
// that a letter has.
func walk(msg *Message, contentType, encoding, disposition string, body io.Reader, depth int) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && depth < 8 {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err != nil {
				return
			}
			walk(msg, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), p, depth+1)
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, _ := io.ReadAll(body) // as much as could be read
	how, where, _ := mime.ParseMediaType(disposition)
	switch {
	case how == "attachment" || kind != "text/plain" && kind != "text/html":
		name := decoded(where["filename"])
		if name == "" {
			name = decoded(params["name"])
		}
		msg.Attachments = append(msg.Attachments, Attachment{Name: name, Type: kind, Data: content})
	case kind == "text/html":
		msg.HTML += string(content)
	default:
		msg.Text += strings.ReplaceAll(string(content), "\r\n", "\n")
	}
}
