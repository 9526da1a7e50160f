// Command gen writes the sample data of examples/quickstart: an invented
// company of a thousand people, and the badge system of its buildings.
//
//	go run ./examples/gen              # rewrites examples/quickstart/data
//	go run ./examples/gen -dir DIR     # writes into another folder
//
// The same program always writes the same bytes; a test compares them with the
// files in the repository. All people, numbers and buildings are invented.
package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const population = 1000

func main() {
	dir := flag.String("dir", "examples/quickstart/data", "folder to write `DIR`/hr.csv and DIR/badges.csv into")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for name, content := range files() {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files returns the content of every generated file by its name.
func files() map[string][]byte {
	people := company(population)
	return map[string][]byte{
		"hr.csv":     table(personColumns, people),
		"badges.csv": table(badgeColumns, badges(people)),
	}
}

// A row is a record of a file, in the order of its columns.
type row interface{ cells() []string }

func table[R row](columns []string, rows []R) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(columns) // a bytes.Buffer never fails
	for _, r := range rows {
		_ = w.Write(r.cells())
	}
	w.Flush()
	return out.Bytes()
}

// A dice draws numbers that depend on nothing but its seed: the SplitMix64
// generator, written out so that no library can change the files.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// upTo returns a number from 0 to n-1.
func (d *dice) upTo(n int) int { return int(d.next() % uint64(n)) }

// percent is true in p of 100 cases.
func (d *dice) percent(p int) bool { return d.upTo(100) < p }

// pick returns one of the choices.
func pick[T any](d *dice, choices []T) T { return choices[d.upTo(len(choices))] }

// shuffle puts the elements into a random order.
func shuffle[T any](d *dice, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := d.upTo(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}
