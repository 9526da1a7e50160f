package ldapconn

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
)

// What somebody in between sends in clear after the answer to StartTLS is never taken for
// what the server says: RFC 4511 §4.14 begins anew with the handshake.
func TestStartTLSInjected(t *testing.T) {
	injected := message(1<<30, result(tagSearchDone, 0, ""))
	for name, test := range map[string]struct {
		answer []byte
		want   string
	}{
		"injected":    {append(message(1, result(tagExtendedResponse, 0, "")), injected...), "TLS handshake failed"},
		"refused":     {message(1, result(tagExtendedResponse, 52, "")), "Unavailable"},
		"not encoded": {[]byte("+OK begin TLS\r\n"), "not encoded"},
		"too long":    {[]byte{0x30, 0x84, 0, 0xff, 0xff, 0xff}, "not encoded"},
		"cut off":     {message(1, result(tagExtendedResponse, 0, ""))[:9], "EOF"},
	} {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer theirs.Close()
			if _, err := readMessage(theirs); err != nil {
				t.Error(err)
			}
			go io.Copy(io.Discard, theirs)   // as long as it is open
			_, _ = theirs.Write(test.answer) // not all of it is read
		}()
		stream, err := startTLS(t.Context(), ours, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12})
		if stream != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		ours.Close()
		<-done
	}
}
