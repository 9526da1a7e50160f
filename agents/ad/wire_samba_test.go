//go:build unix && samba

package ad

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A wire stands between an agent and the server, in clear. It keeps what the agent sends,
// and may change it: limits that real domain controllers have, and this one has not, are
// what it asks for in the agent's name.
type wire struct {
	URL    string
	change func(message []byte) []byte

	mu   sync.Mutex
	sent [][]byte
}

func newWire(t *testing.T, change func([]byte) []byte) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{URL: "ldap://" + l.Addr().String(), change: change}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { w.carry(client, samba(t).Address) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	return w
}

func (w *wire) carry(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(client, server) // until one of them ends it
		_ = client.Close()
		close(done)
	}()
	for {
		message, err := next(client)
		if err != nil {
			break
		}
		w.mu.Lock()
		w.sent = append(w.sent, message)
		w.mu.Unlock()
		if w.change != nil {
			if message = w.change(message); message == nil {
				break // the connection is cut
			}
		}
		if _, err := server.Write(message); err != nil {
			break
		}
	}
	_ = server.Close()
	<-done
}

// next reads one message: a tag, a length and so many bytes.
func next(r io.Reader) ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	length := int(head[1])
	if length >= 0x80 {
		more := make([]byte, length-0x80)
		if _, err := io.ReadFull(r, more); err != nil {
			return nil, err
		}
		length = 0
		for _, b := range more {
			length = length<<8 | int(b)
		}
		head = append(head, more...)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return append(head, body...), err
}

// messages returns what was sent so far.
func (w *wire) messages() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func (w *wire) all() []byte { return bytes.Join(w.messages(), nil) }

// parts takes a constructed value apart.
func parts(b []byte) []asn1.RawValue {
	var list []asn1.RawValue
	for r := bytes.NewReader(b); r.Len() > 0; {
		whole, err := next(r)
		if err != nil {
			return list
		}
		// Lengths need not be as short as they can be, which encoding/asn1 demands.
		body := whole[2:]
		if whole[1] >= 0x80 {
			body = body[whole[1]-0x80:]
		}
		list = append(list, asn1.RawValue{
			Class: int(whole[0] >> 6), Tag: int(whole[0] & 0x1f), IsCompound: whole[0]&0x20 != 0, Bytes: body, FullBytes: whole,
		})
	}
	return list
}

func joined(of asn1.RawValue, list []asn1.RawValue) []byte {
	var body []byte
	for _, v := range list {
		body = append(body, v.FullBytes...)
	}
	b, err := asn1.Marshal(asn1.RawValue{Class: of.Class, Tag: of.Tag, IsCompound: true, Bytes: body})
	if err != nil {
		panic(err)
	}
	return b
}

// ranged returns a search that asks for n values of member, of those that it asks for.
func ranged(message []byte, n int) []byte {
	whole := parts(message)[0]
	fields := parts(whole.Bytes)
	if len(fields) < 2 || fields[1].Tag != 3 || fields[1].Class != asn1.ClassApplication {
		return message
	}
	search := parts(fields[1].Bytes)
	attributes := parts(search[7].Bytes)
	for i, a := range attributes {
		name, start := string(a.Bytes), 0
		if name != "member" {
			if _, err := fmt.Sscanf(name, "member;range=%d-*", &start); err != nil {
				continue
			}
		}
		attributes[i].FullBytes, _ = asn1.Marshal([]byte(fmt.Sprintf("member;range=%d-%d", start, start+n-1)))
	}
	search[7].FullBytes = joined(search[7], attributes)
	fields[1].FullBytes = joined(fields[1], search)
	return joined(whole, fields)
}

// A controller delivers 1,500 values of an attribute at a time; here it is five. All of
// several groups arrive, in the middle of a page.
func TestRanges(t *testing.T) {
	base, admin := place(t), administrator(t)
	var members []string
	for i := range 23 {
		members = append(members, create(t, admin, fmt.Sprintf("CN=m%02d,%s", i, base), "user", "sAMAccountName", fmt.Sprintf("m%02d-ranges", i)))
	}
	sizes := map[string]int{"none": 0, "some": 4, "five": 5, "six": 6, "all": 23}
	d := open(t, settings(t, base), group)
	for name := range sizes {
		create(t, admin, "CN="+name+","+base, "group", "sAMAccountName", name+"-ranges")
	}
	before, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	for name, n := range sizes {
		modify(t, admin, "CN="+name+","+base, "member", members[:n]...)
	}
	w := newWire(t, func(message []byte) []byte { return ranged(message, 5) })
	s := settings(t, base)
	s.URL = w.URL
	for what, request := range map[string]agent.ImportRequest{"full": {PageSize: 2}, "delta": {Delta: true, Watermark: before.Watermark}} {
		got, err := read(t, open(t, s, group), request)
		must(t, err)
		for name, n := range sizes {
			if what == "delta" && n == 0 {
				continue // it has not changed
			}
			if found := len(got.Entry(t, "CN="+name+","+base).Attributes.Get("member")); found != n {
				t.Errorf("%s: %s has %d members, want %d", what, name, found, n)
			}
		}
	}
	if asked := w.all(); !bytes.Contains(asked, []byte("member;range=5-*")) || !bytes.Contains(asked, []byte("member;range=20-*")) {
		t.Error("the rest was not asked for")
	}
}

// A password does not leave this machine's memory in clear, nor does anything of it; the
// account is created all the same, and nobody can log on to it.
func TestPasswordsInClear(t *testing.T) {
	base := place(t)
	w := newWire(t, nil)
	s := settings(t, base)
	s.URL = w.URL
	d := open(t, s, user)
	ada, bob, eve := "CN=ada,"+base, "CN=bob,"+base, "CN=eve,"+base
	names, results := put(t, d,
		addition(ada, agenttest.Attrs("sAMAccountName", "ada-clear", "unicodePwd", "Secret123!")),
		addition(bob, agenttest.Attrs("sAMAccountName", "bob-clear", "unicodePwd", "Secret123!", "accountDisabled", false)),
		addition(eve, agenttest.Attrs("sAMAccountName", "eve-clear", "unicodePwd", "Secret123!", "userAccountControl", 512)),
	)
	expectNames(t, names, "encryption-not-enabled unicodePwd", "encryption-not-enabled accountDisabled unicodePwd", "encryption-not-enabled userAccountControl unicodePwd")
	for _, dn := range []string{ada, bob, eve} {
		if got := attribute(t, dn, "userAccountControl"); got != "514" {
			t.Errorf("%s: %s", dn, got)
		}
	}
	names, _ = put(t, d, update(ada, results[0].Anchor, replace("unicodePwd", identity.String("Secret456!")), replace("title", identity.String("Dr"))))
	expectNames(t, names, "encryption-not-enabled unicodePwd")
	if attribute(t, ada, "title") != "Dr" {
		t.Error("the rest of the change is missing")
	}
	sent := w.all()
	for _, secret := range []string{"unicodePwd", "Secret", quoted(t, "Secret123!")[2:12]} {
		if bytes.Contains(sent, []byte(secret)) {
			t.Errorf("%q was sent in clear", secret)
		}
	}
	if !bytes.Contains(sent, []byte("ada-clear")) {
		t.Error("the wire has seen nothing at all")
	}
}

// Full imports come in pages of 1,000, which is as much as a controller gives, and name
// what they read. A connection that is cut makes one incomplete.
func TestPages(t *testing.T) {
	base, admin := place(t), administrator(t)
	for _, cn := range []string{"a", "b", "c"} {
		create(t, admin, "CN="+cn+","+base, "user", "sAMAccountName", cn+"-pages")
	}
	const oidPaging = "1.2.840.113556.1.4.319"
	w := newWire(t, nil)
	s := settings(t, base)
	s.URL = w.URL
	got, err := read(t, open(t, s, user), agent.ImportRequest{})
	must(t, err)
	if len(got.Lines) != 3 {
		t.Errorf("%q", got.Lines)
	}
	thousand := []byte("\x03\xe8\x04\x00") // size and cookie of RFC 2696
	if !slices.ContainsFunc(w.messages(), func(m []byte) bool {
		return bytes.Contains(m, []byte(base)) && bytes.Contains(m, []byte(oidPaging)) && bytes.Contains(m, thousand) && bytes.Contains(m, []byte("sAMAccountName"))
	}) {
		t.Error("no search with pages of 1,000")
	}

	pages := 0
	cut := newWire(t, func(message []byte) []byte {
		if bytes.Contains(message, []byte(oidPaging)) && bytes.Contains(message, []byte("sAMAccountName")) {
			if pages++; pages > 1 {
				return nil
			}
		}
		return message
	})
	s.URL = cut.URL
	m, err := open(t, s, user).OpenImport(t.Context(), agent.ImportRequest{PageSize: 1})
	must(t, err)
	page := new(agent.Page)
	must(t, m.Next(t.Context(), page))
	for range 2 {
		if err := m.Next(t.Context(), page); fault.Name(err) != "stopped-connectivity" || len(page.Entries) > 0 {
			t.Errorf("%v", err)
		}
	}
	if w, err := m.Close(t.Context(), agent.Aborted); w != nil || err != nil {
		t.Errorf("%s, %v", w, err)
	}
	if text := strings.Join(got.Lines, " "); strings.Contains(text, "gone") {
		t.Errorf("%s", text)
	}
}
