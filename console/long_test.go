package console

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
)

func allRows(t *testing.T, s Service, agent string) ([]engine.ExportRow, error) {
	var rows []engine.ExportRow
	err := s.PendingExports(t.Context(), agent, func(r engine.ExportRow) error {
		rows = append(rows, r)
		return nil
	})
	return rows, err
}

// A caller that has enough ends the list with its own error.
func TestRowsEndEarly(t *testing.T) {
	folder := t.TempDir()
	start(t, folder, newFake())
	enough := errors.New("enough")
	n := 0
	err := connect(t, folder).PendingExports(t.Context(), "HR", func(engine.ExportRow) error {
		n++
		return enough
	})
	if err != enough || n != 1 {
		t.Errorf("%d rows, then %v", n, err)
	}
}

// A backup that fails is an error on the other side, however far it has come.
func TestBackupFails(t *testing.T) {
	folder, service := t.TempDir(), newFake()
	start(t, folder, service)
	client := connect(t, folder)
	service.backup = func(io.Writer) error { return fault.New("disk-full", "no room") }
	if err := client.Backup(t.Context(), io.Discard); fault.Name(err) != "disk-full" {
		t.Errorf("at once: %v", err)
	}
	service.backup = func(w io.Writer) error {
		if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
			return err
		}
		return errors.New("too late")
	}
	if err := client.Backup(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "ended before it answered") {
		t.Errorf("in the middle: %v", err)
	}
	service.backup = nil
	refuses := writerFunc(func([]byte) (int, error) { return 0, errors.New("the disk of the client is full") })
	if err := client.Backup(t.Context(), refuses); err == nil || !strings.Contains(err.Error(), "of the client") {
		t.Errorf("at the client: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
