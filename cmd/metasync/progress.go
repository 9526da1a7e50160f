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
// What else is to be written there is written through it.
type statusLine struct {
	w     io.Writer
	width func() int // of the terminal; nil if w is none, and there is no line

	mu    sync.Mutex
	drawn time.Time
	shown bool
}

func newStatusLine(w io.Writer) *statusLine {
	if !isTerminal(w) {
		return &statusLine{w: w}
	}
	return &statusLine{w: w, width: func() int {
		width, _, err := term.GetSize(int(w.(*os.File).Fd()))
		if err != nil || width == 0 {
			return 80
		}
		return width
	}}
}

// Progress is a [run.Progress].
func (l *statusLine) Progress(agent string, step run.StepType, done, total int) {
	if l.width == nil {
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
	l.clear()
}

func (l *statusLine) clear() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
	l.shown = false
}

// Write implements io.Writer: it writes in place of the line.
func (l *statusLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	return l.w.Write(text)
}

// cut returns at most the first n characters of a text.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n, 0)])
}
