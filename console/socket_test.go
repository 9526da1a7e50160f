package console

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestDialNobody(t *testing.T) {
	if _, err := Dial(t.Context(), t.TempDir()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a socket: %v, want %v", err, ErrNotRunning)
	}
	if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), "gone")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a folder: %v, want %v", err, ErrNotRunning)
	}
	if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("long/", 40))); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a folder with a long path: %v, want %v", err, ErrNotRunning)
	}
}

// Only the owner may open the socket, whatever the umask, and it goes with the
// server.
func TestSocketFile(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	stop := start(t, folder, newFake())
	connect(t, folder)
	info, err := os.Lstat(SocketPath(folder))
	if err != nil {
		t.Fatal(err)
	}
	if want := fs.ModeSocket | 0o600; info.Mode() != want {
		t.Errorf("mode of the socket: %v, want %v", info.Mode(), want)
	}
	stop()
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

// A server takes the place of one that was killed.
func TestStaleSocket(t *testing.T) {
	folder := t.TempDir()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: SocketPath(folder)})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(folder, birthplace)
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(SocketPath(half), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), folder); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("Dial to a dead server: %v, want %v", err, ErrNotRunning)
	}
	start(t, folder, newFake())
	if _, err := connect(t, folder).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLongPath(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		if err := Serve(t.Context(), folder, newFake(), nil); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("Serve: %v, want that the path is too long", err)
		}
		return
	}
	stop := start(t, folder, newFake())
	if _, err := connect(t, folder).Status(t.Context()); err != nil {
		t.Error(err)
	}
	stop()
	if _, err := os.Lstat(SocketPath(folder)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A folder in which no socket can be made is an error and no panic.
func TestServeNowhere(t *testing.T) {
	if err := Serve(t.Context(), filepath.Join(t.TempDir(), "gone"), newFake(), nil); err == nil {
		t.Error("Serve in a folder that does not exist: no error")
	}
}
