package ldapconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// startTLS asks a server to speak TLS on a socket from now on (RFC 4511 §4.14). Nothing is
// read beyond the answer, so what somebody in between has sent ahead is taken for TLS, and
// refused.
func startTLS(ctx context.Context, socket net.Conn, secure *tls.Config) (net.Conn, error) {
	var e encoder
	message := e.open(tagSequence)
	e.integer(tagInteger, 1)
	request := e.open(tagExtendedRequest)
	e.text(tagRequestName, "1.3.6.1.4.1.1466.20037")
	e.close(request)
	e.close(message)
	if _, err := socket.Write(e.b); err != nil {
		return nil, network(err)
	}
	answer, err := readMessage(socket)
	if err != nil {
		return nil, network(err)
	}
	out, err := parseOutcome(answer, tagExtendedResponse)
	if err != nil {
		return nil, network(err)
	}
	if out.err != nil {
		return nil, out.err
	}
	encrypted := tls.Client(socket, secure)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake failed: %w", err)
	}
	return encrypted, nil
}

// readMessage reads one message, and not a byte more.
func readMessage(socket net.Conn) ([]byte, error) {
	head, err := appendRead(nil, socket, 2)
	if err != nil {
		return nil, err
	}
	more, err := lengthBytes(head[1])
	if err != nil || head[0] != tagSequence {
		return nil, errEncoding
	}
	if head, err = appendRead(head, socket, more); err != nil {
		return nil, err
	}
	length := int(head[1])
	if more > 0 {
		length = number(head[2:])
	}
	const most = 1 << 16 // nobody is known yet
	if length > most {
		return nil, errEncoding
	}
	return appendRead(head, socket, length)
}
