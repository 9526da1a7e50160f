package ldapconn

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// firstID is the number of the first request of ours. The library counts its own from 1
// on, and does not come so far on one connection.
const firstID = 1 << 30

// readAhead is how much is read from the socket at a time.
const readAhead = 64 << 10

// A wire stands between a connection of the library and its stream. Requests of ours go
// out between those of the library, and the answers to them are taken out of what comes
// in, before the library takes them apart: that costs it 50 times as much as the server
// needs to send them.
//
// The goroutine of the library that reads is the one that reads for us. It never waits
// for whoever asked.
type wire struct {
	net.Conn

	in   *bufio.Reader
	pass int // bytes of the message for the library that are still to come

	mu      sync.Mutex
	last    int32
	waiting map[int32]*exchange
	lost    error // why nothing comes any more
}

func newWire(stream net.Conn) *wire {
	return &wire{Conn: stream, in: bufio.NewReaderSize(stream, readAhead), last: firstID - 1, waiting: map[int32]*exchange{}}
}

// An exchange is a request and the answer to it.
type exchange struct {
	id   int32
	raw  []byte        // the messages of the answer, one after the other
	end  int           // where the last one of them begins
	err  error         // why there is no answer
	done chan struct{} // is closed with it; nothing else above changes after that
}

// send sends a request and returns at once. encode appends what follows the number of
// the message; buffer is room for the answer.
func (w *wire) send(buffer []byte, encode func(*encoder)) (*exchange, error) {
	x := &exchange{raw: buffer[:0], done: make(chan struct{})}
	w.mu.Lock()
	if w.lost != nil {
		w.mu.Unlock()
		return nil, w.lost
	}
	if w.last == math.MaxInt32 {
		w.last = firstID - 1
	}
	w.last++
	x.id = w.last
	w.waiting[x.id] = x
	w.mu.Unlock()

	e := &encoder{b: make([]byte, 0, 512)}
	message := e.open(tagSequence)
	e.integer(tagInteger, x.id)
	encode(e)
	e.close(message)
	// One call writes all of it, or else the connection is of no use any more.
	if _, err := w.Write(e.b); err != nil {
		w.fail(err)
		_ = w.Conn.Close() // the error that matters is the other
		return nil, network(err)
	}
	return x, nil
}

// Read implements [io.Reader] for the library, which gets what is not for us.
func (w *wire) Read(p []byte) (int, error) {
	for w.pass == 0 {
		if err := w.next(); err != nil {
			w.fail(err)
			return 0, err
		}
	}
	n, err := w.in.Read(p[:min(len(p), w.pass)])
	w.pass -= n
	if err != nil {
		w.fail(err)
	}
	return n, err
}

// next looks at the next message, and takes it if it is for us.
func (w *wire) next() error {
	id, length, err := w.peek()
	if err != nil {
		return err
	}
	if id < firstID {
		w.pass = length
		return nil
	}
	w.mu.Lock()
	x := w.waiting[id]
	w.mu.Unlock()
	if x == nil {
		return errEncoding // nobody asked
	}
	start := len(x.raw)
	if x.raw, err = appendRead(x.raw, w.in, length); err != nil {
		return err
	}
	tag, err := operation(x.raw[start:])
	if err != nil {
		return err
	}
	switch tag {
	case tagSearchEntry, tagSearchReference, tagIntermediate:
		return nil
	}
	x.end = start
	w.mu.Lock()
	delete(w.waiting, id)
	w.mu.Unlock()
	close(x.done)
	return nil
}

// peek returns the number of the next message, and its length with its header.
func (w *wire) peek() (id int32, length int, err error) {
	head, err := w.in.Peek(2)
	if err != nil {
		return 0, 0, err
	}
	more, err := lengthBytes(head[1])
	if err != nil || head[0] != tagSequence {
		return 0, 0, errEncoding
	}
	if head, err = w.in.Peek(2 + more + 2); err != nil {
		return 0, 0, unexpected(err)
	}
	length = int(head[1])
	if more > 0 {
		length = number(head[2 : 2+more])
	}
	size := int(head[2+more+1])
	if length > maxMessage || head[2+more] != tagInteger || size == 0 || size > 4 || length < 2+size {
		return 0, 0, errEncoding
	}
	if head, err = w.in.Peek(2 + more + 2 + size); err != nil {
		return 0, 0, unexpected(err)
	}
	id, err = integerOf(head[2+more+2:])
	return id, 2 + more + length, err
}

// appendRead appends the next n bytes of r to b. Room is taken as they come, so that a
// length alone takes none.
func appendRead(b []byte, r io.Reader, n int) ([]byte, error) {
	for n > 0 {
		const most = 1 << 20
		if room := min(n, most); cap(b)-len(b) < room {
			grown := make([]byte, len(b), max(2*cap(b), len(b)+room))
			copy(grown, b)
			b = grown
		}
		part := b[len(b):min(cap(b), len(b)+n)]
		if _, err := io.ReadFull(r, part); err != nil {
			return b, unexpected(err)
		}
		b = b[:len(b)+len(part)]
		n -= len(part)
	}
	return b, nil
}

// fail ends all exchanges, and those that come.
func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.lost = network(err)
	}
	for id, x := range w.waiting {
		delete(w.waiting, id)
		x.err = w.lost
		close(x.done)
	}
}

// Close implements [net.Conn]. The library calls it also when it reads no more.
func (w *wire) Close() error {
	w.fail(net.ErrClosed)
	return w.Conn.Close()
}

// network names an error as the library does.
func network(err error) error {
	return ldap.NewError(ldap.ErrorNetwork, unexpected(err))
}

// unexpected is the error of an end within a message, or before an answer.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
