package engine_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain gives the laws the same examples in every run, so that a change is
// judged by what it changes. `make laws` looks for new ones.
func TestMain(m *testing.M) {
	flag.Parse()
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == seed.DefValue {
		if err := seed.Value.Set("20260101"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
