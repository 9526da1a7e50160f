package console

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/metasync/metasync/engine/run"
)

// progressInterval is how often a run that is watched says how far it is.
const progressInterval = 100 * time.Millisecond

// A line is one line of the answer to a request that starts runs: any number
// with Progress, then one with what came out: a result, an error, or both.
type line[T any] struct {
	Progress *progress `json:"progress,omitempty"`
	Result   *T        `json:"result,omitempty"`
	Error    *failure  `json:"error,omitempty"`
}

// A progress is what a [run.Progress] is called with.
type progress struct {
	Agent string       `json:"agent"`
	Step  run.StepType `json:"step"`
	Done  int          `json:"done"`
	Total int          `json:"total"`
}

// stream does some work and writes its progress and its outcome. A client that
// goes away does not end the work: stream returns when the work has ended.
func stream[T any](w http.ResponseWriter, work func(run.Progress) (T, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder := json.NewEncoder(w)
	flush := http.NewResponseController(w).Flush
	write := func(l line[T]) {
		// Errors mean that nobody reads any more, and then nobody has to be told.
		_ = encoder.Encode(l)
		_ = flush()
	}

	var latest atomic.Pointer[progress]
	done := make(chan line[T], 1)
	go func() {
		result, err := work(func(agent string, step run.StepType, n, total int) {
			latest.Store(&progress{agent, step, n, total})
		})
		done <- line[T]{Result: &result, Error: failureOf(err)}
	}()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case outcome := <-done:
			write(outcome)
			return
		case <-ticker.C:
			if p := latest.Swap(nil); p != nil {
				write(line[T]{Progress: p})
			}
		}
	}
}

// read reads what stream wrote, up to the outcome.
func read[T any](decoder *json.Decoder, report run.Progress) (result T, err error) {
	for {
		var l line[T]
		if err := decoder.Decode(&l); err != nil {
			return result, err
		}
		if l.Progress != nil {
			if report != nil {
				report(l.Progress.Agent, l.Progress.Step, l.Progress.Done, l.Progress.Total)
			}
			continue
		}
		if l.Result != nil {
			result = *l.Result
		}
		return result, l.Error.err()
	}
}
