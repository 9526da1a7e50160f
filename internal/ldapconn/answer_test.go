package ldapconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// over returns a connection whose server is a function, which gets the number of each
// request and what follows it, and returns the answer; nil ends the connection.
func over(t testing.TB, serve func(id int32, request []byte) []byte) *Conn {
	t.Helper()
	return overSome(t, -1, serve)
}

// overSome is over with a server that hangs up after so many answers.
func overSome(t testing.TB, n int, serve func(id int32, request []byte) []byte) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		for ; n != 0; n-- {
			message, err := readMessage(theirs)
			if err != nil {
				return
			}
			body, _, _ := expect(message, tagSequence)
			number, request, _ := expect(body, tagInteger)
			id, _ := integerOf(number)
			answer := serve(id, request)
			if answer == nil {
				return
			}
			if _, err := theirs.Write(answer); err != nil {
				return
			}
		}
	}()
	c := &Conn{socket: newLine(ours, 0), wire: newWire(ours)}
	c.ldap = ldap.NewConn(c.wire, false)
	c.ldap.Start()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

// message returns a message with a number around what follows it.
func message(id int32, parts ...[]byte) []byte {
	var e encoder
	at := e.open(tagSequence)
	e.integer(tagInteger, id)
	e.b = append(e.b, bytes.Join(parts, nil)...)
	e.close(at)
	return e.b
}

func encodeEntry(entry Entry) []byte {
	var e encoder
	at := e.open(tagSearchEntry)
	e.text(tagOctetString, entry.DN)
	list := e.open(tagSequence)
	for _, a := range entry.Attributes {
		one := e.open(tagSequence)
		e.text(tagOctetString, a.Name)
		set := e.open(tagSet)
		for _, v := range a.Values {
			e.text(tagOctetString, string(v))
		}
		e.close(set)
		e.close(one)
	}
	e.close(list)
	e.close(at)
	return e.b
}

// result returns a result with a code, and after it the control of paging if there is a
// cookie.
func result(tag byte, code int32, cookie string) []byte {
	var e encoder
	at := e.open(tag)
	e.integer(tagEnumerated, code)
	e.text(tagOctetString, "")
	e.text(tagOctetString, "as it is")
	e.close(at)
	if cookie == "" {
		return e.b
	}
	list := e.open(tagControls)
	one := e.open(tagSequence)
	e.text(tagOctetString, ldap.ControlTypePaging)
	value := e.open(tagOctetString)
	paging := e.open(tagSequence)
	e.integer(tagInteger, 0)
	e.text(tagOctetString, cookie)
	e.close(paging)
	e.close(value)
	e.close(one)
	e.close(list)
	return e.b
}

func someone(n int) Entry {
	return Entry{DN: fmt.Sprintf("uid=u%d,dc=example,dc=org", n), Attributes: []Attribute{
		{"uid", [][]byte{fmt.Append(nil, "u", n)}},
		{"mail", [][]byte{[]byte("a@example.org"), []byte("b@example.org")}},
		{"jpegPhoto", [][]byte{bytes.Repeat([]byte{0xff, 0}, 100*n)}},
	}}
}

func TestPages(t *testing.T) {
	var asked []int // how many pages were asked for when a page was delivered
	requests := make(chan struct{}, 10)
	for _, alone := range []bool{false, true} {
		pages := 0
		c := over(t, func(id int32, request []byte) []byte {
			pages++
			requests <- struct{}{}
			cookie := ""
			if pages < 3 {
				cookie = fmt.Sprint("page ", pages+1)
			}
			if pages > 1 && !bytes.Contains(request, fmt.Append(nil, "page ", pages)) {
				t.Errorf("page %d is asked for without its cookie: %x", pages, request)
			}
			referral := []byte{tagSearchReference, 3, tagOctetString, 1, 'x'}
			return bytes.Join([][]byte{
				message(id, encodeEntry(someone(pages))), message(id, referral), message(id, encodeEntry(someone(pages+1))),
				message(id, result(tagSearchDone, 0, cookie)),
			}, nil)
		})
		p, err := c.Pages(Search{Base: "dc=example,dc=org", Scope: ScopeSub}, 2, alone)
		if err != nil {
			t.Fatal(err)
		}
		for page := 1; ; page++ {
			got, err := p.Next(t.Context())
			if errors.Is(err, io.EOF) && page == 4 {
				break
			}
			if err != nil || !reflect.DeepEqual(got, []Entry{someone(page), someone(page + 1)}) {
				t.Fatalf("alone %v, page %d: %+v, %v", alone, page, got, err)
			}
			<-requests
			if page < 3 && !alone { // the next one has been asked for, though nobody wanted it yet
				select {
				case <-requests:
					requests <- struct{}{}
				case <-time.After(time.Minute):
					t.Fatalf("page %d is not read ahead", page+1)
				}
			} else if len(requests) > 0 {
				t.Errorf("alone %v, page %d: another one is asked for", alone, page)
			}
			asked = append(asked, page)
		}
		if _, err := p.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	}
	if len(asked) != 6 {
		t.Errorf("%d pages", len(asked))
	}
}

// Whatever cuts an answer short, and whatever is none, is an error: never the end of the
// pages, and never a page.
func TestAnswersThatAreNone(t *testing.T) {
	good := encodeEntry(someone(1))
	bad := func(change func(b []byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	for name, answer := range map[string]func(id int32) []byte{
		"nothing":                func(int32) []byte { return nil },
		"no end":                 func(id int32) []byte { return append(message(id, good), 0x30) },
		"half a message":         func(id int32) []byte { return message(id, good)[:20] },
		"a limit":                func(id int32) []byte { return append(message(id, good), message(id, result(tagSearchDone, 4, ""))...) },
		"busy":                   func(id int32) []byte { return message(id, result(tagSearchDone, 51, "")) },
		"another operation":      func(id int32) []byte { return message(id, result(tagAddResponse, 0, "")) },
		"a number of nobody":     func(id int32) []byte { return message(id+1, result(tagSearchDone, 0, "")) },
		"no message":             func(int32) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") },
		"a length without end":   func(int32) []byte { return []byte{0x30, 0x80, 2, 1, 1, 0, 0} },
		"a length of five bytes": func(int32) []byte { return []byte{0x30, 0x85, 1, 1, 1, 1, 1, 2, 1, 1} },
		"two gigabytes":          func(id int32) []byte { return append([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, message(id)[6:]...) },
		"no result":              func(id int32) []byte { return message(id, []byte{tagSearchDone, 0}) },
		"a short entry": func(id int32) []byte {
			return append(message(id, []byte{tagSearchEntry, 0}), message(id, result(tagSearchDone, 0, ""))...)
		},
		"an entry that is too long": func(id int32) []byte {
			return append(message(id, bad(func(b []byte) { b[7] = 0x7f })), message(id, result(tagSearchDone, 0, ""))...)
		},
		"a value that is none": func(id int32) []byte {
			return append(message(id, bad(func(b []byte) { b[bytes.Index(b, []byte("a@example"))-2] = tagInteger })), message(id, result(tagSearchDone, 0, ""))...)
		},
		"a cookie that is none": func(id int32) []byte {
			done := result(tagSearchDone, 0, "next")
			done[len(done)-6] = tagInteger
			return message(id, done)
		},
	} {
		c := over(t, func(id int32, _ []byte) []byte { return answer(id) })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		p, err := c.Pages(Search{}, 100, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Next(ctx)
		if err == nil || errors.Is(err, io.EOF) || got != nil {
			t.Errorf("%s: %d entries, %v", name, len(got), err)
		}
		if again, other := p.Next(ctx); !errors.Is(other, err) || again != nil {
			t.Errorf("%s, again: %v", name, other)
		}
		cancel()
	}
}

// A connection that does not answer as LDAP demands is given up, by whoever uses it.
func TestBrokenWire(t *testing.T) {
	c := over(t, func(int32, []byte) []byte { return []byte("garbage") })
	if _, err := c.Search(t.Context(), Search{Scope: ScopeSub}); err == nil || answered(err) {
		t.Errorf("a search: %v", err)
	}
	if _, err := c.Add(t.Context(), ldap.NewAddRequest("cn=x", nil), ""); err == nil || answered(err) {
		t.Errorf("an addition after it: %v", err)
	}
	if err := c.ldap.Del(ldap.NewDelRequest("cn=x", nil)); err == nil || answered(err) {
		t.Errorf("one of the library's after it: %v", err)
	}
}

// Requests of ours and of the library have nothing to do with each other, however the
// answers come in.
func TestSharedWire(t *testing.T) {
	ours, theirs := net.Pipe()
	c := &Conn{socket: newLine(ours, 0), wire: newWire(ours)}
	c.ldap = ldap.NewConn(c.wire, false)
	c.ldap.Start()
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			var answers []byte // in the order against that of the requests, byte by byte
			for range 3 {
				request, err := readMessage(theirs)
				if err != nil {
					return err
				}
				body, _, _ := expect(request, tagSequence)
				number, rest, _ := expect(body, tagInteger)
				id, _ := integerOf(number)
				switch tag, _, _, _ := element(rest); tag {
				case tagSearchRequest:
					answers = append(append(message(id, encodeEntry(someone(3))), message(id, result(tagSearchDone, 0, ""))...), answers...)
				case tagAddRequest:
					answers = append(message(id, result(tagAddResponse, 68, "")), answers...)
				default:
					answers = append(message(id, result(0x6b, 0, "")), answers...)
				}
			}
			for i := range answers {
				if _, err := theirs.Write(answers[i : i+1]); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	results := make(chan error, 3)
	go func() {
		found, err := c.Search(t.Context(), Search{Scope: ScopeSub})
		if err == nil && !reflect.DeepEqual(found, []Entry{someone(3)}) {
			err = fmt.Errorf("%+v", found)
		}
		results <- err
	}()
	go func() {
		_, err := c.Add(t.Context(), ldap.NewAddRequest("cn=x", nil), "")
		if !isResult(err, ldap.LDAPResultEntryAlreadyExists) {
			results <- fmt.Errorf("an addition: %w", err)
			return
		}
		results <- nil
	}()
	go func() { results <- c.ldap.Del(ldap.NewDelRequest("cn=x", nil)) }()
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	c.Close()
	theirs.Close()
}

// What a server tells of the entry that it has created.
func TestAddTells(t *testing.T) {
	control := func(value []byte) []byte {
		var e encoder
		list := e.open(tagControls)
		other := e.open(tagSequence)
		e.text(tagOctetString, "1.2.3")
		e.close(other)
		one := e.open(tagSequence)
		e.text(tagOctetString, PostRead)
		e.boolean(false)
		e.text(tagOctetString, string(value))
		e.close(one)
		e.close(list)
		return e.b
	}
	entry := encodeEntry(Entry{DN: "cn=x", Attributes: []Attribute{{"entryUUID", [][]byte{[]byte("1-2-3")}}}})
	for name, test := range map[string]struct {
		after []byte
		want  string
	}{
		"the value":      {control(entry), "1-2-3"},
		"nothing":        {nil, ""},
		"hidden":         {control(encodeEntry(Entry{DN: "cn=x"})), ""},
		"without values": {control(encodeEntry(Entry{DN: "cn=x", Attributes: []Attribute{{"entryUUID", nil}}})), ""},
		"garbage":        {control([]byte("garbage")), ""},
	} {
		c := over(t, func(id int32, request []byte) []byte {
			if !bytes.Contains(request, []byte("entryUUID")) {
				t.Error("it is not asked for")
			}
			return message(id, result(tagAddResponse, 0, ""), test.after)
		})
		told, err := c.Add(t.Context(), ldap.NewAddRequest("cn=x", nil), "entryUUID")
		got := ""
		if told != nil && len(told.Attributes) > 0 && len(told.Attributes[0].Values) > 0 {
			got = string(told.Attributes[0].Values[0])
		}
		if got != test.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzAnswers holds our reading of answers to that of the library: what both take is the
// same to both.
func FuzzAnswers(f *testing.F) {
	f.Add(encodeEntry(someone(1)), result(tagSearchDone, 0, ""))
	f.Add(encodeEntry(Entry{}), result(tagSearchDone, 0, "cookie"))
	f.Add(encodeEntry(Entry{DN: "cn=x", Attributes: []Attribute{{"a;binary", nil}, {"", [][]byte{nil}}}}), result(tagSearchDone, 32, ""))
	f.Add([]byte{tagSearchEntry, 4, 4, 0, 0x30, 0}, []byte{tagSearchDone, 7, 10, 1, 0, 4, 0, 4, 0})
	f.Fuzz(func(t *testing.T, entry, done []byte) {
		serve := func(id int32, _ []byte) []byte {
			return append(message(id, entry), message(id, done)...)
		}
		c := overSome(t, 1, serve)
		defer c.Close()
		p, err := c.Pages(Search{}, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := p.Next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		lib := overSome(t, 1, serve)
		defer lib.Close()
		lib.ldap.SetTimeout(time.Minute)
		want, wantErr := lib.ldap.Search(ldap.NewSearchRequest("", 0, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		switch {
		case err != nil && answered(err):
			// The library looks at the entries of a search that has failed.
			if wantErr == nil || answered(wantErr) && !isResult(wantErr, err.(*ldap.Error).ResultCode) {
				t.Errorf("we have %v, the library %v", err, wantErr)
			}
			return
		case err != nil:
			return // we are stricter
		case wantErr != nil && !answered(wantErr):
			return // it is stricter with what neither knows
		case wantErr != nil:
			t.Fatalf("we have %+v, the library %v", got, wantErr)
		}
		var entries []Entry
		for _, e := range want.Entries {
			one := Entry{DN: e.DN}
			for _, a := range e.Attributes {
				one.Attributes = append(one.Attributes, Attribute{a.Name, a.ByteValues})
			}
			entries = append(entries, one)
		}
		if text, expected := fmt.Sprintf("%q", got), fmt.Sprintf("%q", entries); text != expected {
			t.Errorf("we have\n%s\nthe library\n%s", text, expected)
		}
		cookie := ""
		if paging, ok := ldap.FindControl(want.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
			cookie = string(paging.Cookie)
		}
		if string(p.cookie) != cookie {
			t.Errorf("we have the cookie %q, the library %q", p.cookie, cookie)
		}
	})
}
