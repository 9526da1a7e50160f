package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

const (
	socketName = "metasync.sock"
	// birthplace is a folder in the state folder, which only its owner may enter.
	// The socket is made there and moved when its own permissions are right.
	birthplace = ".socket"
)

// maxSocketPath is the length in bytes that every system allows for the path of
// a socket; Linux takes three more.
const maxSocketPath = 104

// ErrNotRunning is returned if no daemon serves a state folder.
var ErrNotRunning = errors.New("no daemon is running")

// SocketPath returns the path of the socket in a state folder.
func SocketPath(stateFolder string) string { return filepath.Join(stateFolder, socketName) }

// listen makes the socket of a state folder, in place of one that a dead daemon
// has left. The folder's lock is the caller's: it decides that there is one
// daemon only.
func listen(ctx context.Context, stateFolder string) (net.Listener, error) {
	nursery := filepath.Join(stateFolder, birthplace)
	if err := os.RemoveAll(nursery); err != nil {
		return nil, err
	}
	if err := os.Mkdir(nursery, 0o700); err != nil {
		return nil, err
	}
	defer os.Remove(nursery)
	var l *net.UnixListener
	err := withShortPath(nursery, func(path string) error {
		listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
		if err != nil {
			return err
		}
		l = listener.(*net.UnixListener)
		l.SetUnlinkOnClose(false) // it will be elsewhere by then
		return nil
	})
	if err != nil {
		return nil, err
	}
	born := SocketPath(nursery)
	err = os.Chmod(born, 0o600)
	if err == nil {
		err = os.Rename(born, SocketPath(stateFolder))
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(born))
	}
	return l, nil
}

// dial connects to the socket of a state folder. Its error is [ErrNotRunning] if
// nobody listens.
func dial(ctx context.Context, stateFolder string) (net.Conn, error) {
	var connection net.Conn
	err := withShortPath(stateFolder, func(path string) (err error) {
		connection, err = new(net.Dialer).DialContext(ctx, "unix", path)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNotRunning
	case err != nil:
		return nil, fmt.Errorf("connect to the daemon: %w", err)
	}
	return connection, nil
}

// withShortPath calls use with a path of the socket in a folder that is short
// enough for the system. On Linux a long one goes through the folder's
// descriptor; the path is good until use returns.
func withShortPath(folder string, use func(path string) error) error {
	path := SocketPath(folder)
	if len(path) < maxSocketPath {
		return use(path)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the path %s is too long for a socket: choose a shorter one for the state folder", path)
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
}
