package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/metasync/metasync/engine/run"
)

// redraw is how often the status line changes at most.
const redraw = 100 * time.Millisecond

// A statusLine shows on a terminal what is going on, in one line that goes away.
// The zero value shows nothing.
type statusLine struct {
	w     io.Writer
	width func() int

	mu    sync.Mutex
	drawn time.Time
	shown bool
}

// statusLine returns the status line of this process: on standard error, if that
// is a terminal.
func (a *app) statusLine() *statusLine {
	if !isTerminal(a.stderr) {
		return &statusLine{}
	}
	return &statusLine{w: a.stderr, width: func() int {
		width, _, err := term.GetSize(int(a.stderr.(*os.File).Fd()))
		if err != nil || width == 0 {
			return 80
		}
		return width
	}}
}

// Progress is a [run.Progress].
func (l *statusLine) Progress(agent string, step run.StepType, done, total int) {
	if l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown && time.Since(l.drawn) < redraw {
		return
	}
	l.drawn, l.shown = time.Now(), true
	text := fmt.Sprintf("%s %s: %d", agent, step, done)
	if total > 0 {
		text = fmt.Sprintf("%s %s: %d of %d (%d%%)", agent, step, done, total, min(100, 100*done/total))
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", cut(oneLine(text), l.width()-1))
}

// Clear takes the line away.
func (l *statusLine) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
	l.shown = false
}

// cut returns at most the first n characters of a text.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n, 0)])
}
