package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/metasync/metasync/engine/store"
)

// A process that is killed in the middle of writing leaves every update that it
// was told is done, and no part of any other.
func TestBoltSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for round := range 4 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), childEnv+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, done := bufio.NewScanner(out), ""
		for range 5 + 10*round {
			if !lines.Scan() {
				t.Fatal("the child ended by itself")
			}
			done = lines.Text()
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			done = lines.Text()
		}
		_ = child.Wait()

		s := open(t, path, store.BoltOptions{})
		first := get(t, s, "00")
		if first < done {
			t.Errorf("update %s was done, the store has %s", done, first)
		}
		for i := range childKeys {
			if got := get(t, s, fmt.Sprintf("%02d", i)); got != first {
				t.Errorf("key %d is of update %s, key 0 of %s", i, got, first)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	childEnv  = "METASYNC_STORE_TEST_CHILD"
	childKeys = 50
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

// writeForEver sets all keys to the number of the update, and prints it when it
// is done.
func writeForEver(path string) {
	s, err := store.OpenBolt(path, store.BoltOptions{})
	for n := 0; err == nil; n++ {
		var number string
		err = s.Update(func(tx store.Tx) error {
			last := 0
			fmt.Sscanf(string(tx.Get("b", []byte("00"))), "%d", &last)
			number = fmt.Sprintf("%08d", last+1)
			for i := range childKeys {
				if err := tx.Put("b", fmt.Appendf(nil, "%02d", i), []byte(number)); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			fmt.Println(number)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
