package mail

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// greeted counts the connections to a mail server.
func greeted(t *testing.T, refuse func(stage string, connection int64) int) (url string, count *atomic.Int64, mails func() int) {
	t.Helper()
	count = new(atomic.Int64)
	box := newBox(t, func(stage, _, _ string) int {
		if stage == "connect" {
			count.Add(1)
		}
		if refuse == nil {
			return 0
		}
		return refuse(stage, count.Load())
	})
	return "smtp://" + box.SMTPAddr(), count, func() int { return len(box.Messages()) }
}

func TestConnectionsAreKeptForTheNextLetter(t *testing.T) {
	t.Parallel()
	url, connections, mails := greeted(t, nil)
	s := newSender(t, url, func(o *Options) { o.Idle = time.Minute })
	for range 3 {
		if err := s.Send(soon(t), letter("confirm")); err != nil {
			t.Fatal(err)
		}
	}
	if connections.Load() != 1 || mails() != 3 {
		t.Errorf("three letters on one connection were expected, got %d on %d", mails(), connections.Load())
	}
	s.Close()
	if err := s.Send(soon(t), letter("confirm")); err != nil {
		t.Fatalf("a closed sender still sends: %v", err)
	}
	if connections.Load() != 2 || len(s.kept) != 0 {
		t.Errorf("a letter after Close should have a connection of its own that is not kept, there are %d, %d kept", connections.Load(), len(s.kept))
	}
}

func TestManyAtOnceDoNotShareAConnection(t *testing.T) {
	t.Parallel()
	url, connections, mails := greeted(t, nil)
	s := newSender(t, url, func(o *Options) { o.Idle = time.Minute })
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			for range 10 {
				if err := s.Send(soon(t), letter("confirm")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if mails() != 120 {
		t.Errorf("120 letters were expected, got %d", mails())
	}
	if len(s.kept) > maxIdle {
		t.Errorf("%d connections are kept (of %d), at most %d were expected", len(s.kept), connections.Load(), maxIdle)
	}
}

func TestIdleConnectionsAreEnded(t *testing.T) {
	t.Parallel()
	url, _, _ := greeted(t, nil)
	s := newSender(t, url, func(o *Options) { o.Idle = 20 * time.Millisecond })
	if err := s.Send(soon(t), letter("confirm")); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := soon(t); ; {
		s.mu.Lock()
		n := len(s.kept)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("an idle connection should be ended")
		}
	}
}

func TestRefusedLettersEndTheirConnection(t *testing.T) {
	t.Parallel()
	url, connections, mails := greeted(t, func(stage string, n int64) int {
		if stage == "rcpt" && n == 1 {
			return 550
		}
		return 0
	})
	s := newSender(t, url, func(o *Options) { o.Idle = time.Minute })
	if e := mailError(t, s.Send(soon(t), letter("confirm"))); e.Code != 550 || !e.Final {
		t.Errorf("a final 550 was expected, got %+v", e)
	}
	if err := s.Send(soon(t), letter("confirm")); err != nil {
		t.Fatal(err)
	}
	if connections.Load() != 2 || mails() != 1 {
		t.Errorf("one letter on a second connection was expected, got %d on %d", mails(), connections.Load())
	}
}

// The second letter of a connection meets a server that has gone, or is tired,
// at each of its commands. It is sent on a new connection when the first command
// met it; later, the server may have it already, and the queue decides.
func TestKeptConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	for at, again := range map[string]bool{
		"MAIL: closed": true, "MAIL: 421 too many letters": true, "RCPT: closed": false, "DATA: closed": false, "dot: closed": false,
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			verb, answer, _ := strings.Cut(at, ": ")
			url, taken, connections := breaking(t, verb, answer)
			s := newSender(t, url, func(o *Options) { o.Idle = time.Minute })
			if err := s.Send(soon(t), letter("confirm")); err != nil {
				t.Fatal(err)
			}
			err := s.Send(soon(t), letter("confirm"))
			if again && (err != nil || taken.Load() != 2 || connections.Load() != 2) {
				t.Errorf("the letter should go once on a second connection: %d taken on %d connections, %v", taken.Load(), connections.Load(), err)
			}
			if !again {
				if e := mailError(t, err); e.Final || taken.Load() != 1 || connections.Load() != 1 {
					t.Errorf("the letter should wait for its next try: %d taken on %d connections, %+v", taken.Load(), connections.Load(), e)
				}
			}
		})
	}
}

// breaking is a server whose first connection breaks at a command of its second letter.
func breaking(t *testing.T, verb, answer string) (url string, taken, connections *atomic.Int64) {
	t.Helper()
	taken, connections = new(atomic.Int64), new(atomic.Int64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(conn net.Conn, first bool) {
		defer func() { _ = conn.Close() }()
		letters, inData := 0, false
		_, _ = io.WriteString(conn, "220 test ESMTP\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			step, _, _ := strings.Cut(lines.Text(), " ")
			if inData && step != "." {
				continue
			}
			if inData {
				step = "dot"
			}
			if first && letters == 1 && step == verb {
				if answer != "closed" {
					_, _ = fmt.Fprintf(conn, "%s\r\n", answer)
				}
				return
			}
			usual := "250 fine"
			switch step {
			case "DATA":
				inData, usual = true, "354 go on"
			case "dot":
				inData = false
				letters++
				taken.Add(1)
			}
			if _, err := io.WriteString(conn, usual+"\r\n"); err != nil || step == "QUIT" {
				return
			}
		}
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := connections.Add(1)
			all.Go(func() { serve(conn, n == 1) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return "smtp://" + l.Addr().String(), taken, connections
}
