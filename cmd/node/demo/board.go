package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Board is what a terminal shows while a demo runs: one bar for each thing that
// makes progress. The zero Board is empty.
type Board struct {
	loading    Loading
	owning     Owning
	moving     Moving
	mapping    Mapping
	recounting Recounting
}

// Take notes an event and reports whether the board has changed by it.
func (b *Board) Take(e Event) bool {
	switch e := e.(type) {
	case Loading:
		b.loading = e
	case Owning:
		b.owning = e
	case Moving:
		b.moving = e
	case Mapping:
		b.mapping = e
	case Recounting:
		b.recounting = e
	default:
		return false
	}
	return true
}

// Lines draws the board with bars of the given width. Things that have not
// begun are left out.
func (b *Board) Lines(width int) []string {
	var out []string
	row := func(name string, done, of int64, note string) {
		out = append(out, fmt.Sprintf("%-10s %s %3d%%  %s", name, bar(done, of, width), percent(done, of), note))
	}
	if b.loading.Of > 0 {
		row("load", b.loading.Bytes, b.loading.Of, fmt.Sprintf("%d objects, %s", b.loading.Inputs, megabytes(b.loading.Bytes)))
	}
	ring := 0
	for _, s := range b.owning.Shares {
		ring += s.Partitions
	}
	for _, s := range b.owning.Shares {
		row("  "+s.Node, int64(s.Partitions), int64(ring), fmt.Sprintf("%d partitions", s.Partitions))
	}
	if b.mapping.Of > 0 {
		row("job", int64(b.mapping.Done), int64(b.mapping.Of), fmt.Sprintf("%d of %d inputs", b.mapping.Done, b.mapping.Of))
	}
	if b.moving.Opened > 0 {
		row("transfers", int64(b.moving.Ended), int64(b.moving.Opened), fmt.Sprintf("%d opened, %d flipped, %d ended", b.moving.Opened, b.moving.Flipped, b.moving.Ended))
	}
	if b.recounting.Of > 0 {
		row("recount", b.recounting.Bytes, b.recounting.Of, megabytes(b.recounting.Bytes))
	}
	return out
}

func bar(done, of int64, width int) string {
	full := width
	if of > 0 {
		full = int(min(done, of) * int64(width) / of)
	}
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// barWidth and redrawEvery say how a terminal is drawn: columns of a bar, and
// the shortest time between two drawings.
const (
	barWidth    = 32
	redrawEvery = 50 * time.Millisecond
)

// NewTerminal returns an Output that keeps a Board at the bottom of a terminal
// and prints everything else above it. now is the clock.
func NewTerminal(w io.Writer, now func() time.Time) Output { return &terminal{w: w, now: now} }

type terminal struct {
	w     io.Writer
	now   func() time.Time
	board Board
	drawn int // lines of the board on the screen
	last  time.Time
}

func (t *terminal) Show(e Event) error {
	if t.board.Take(e) {
		done, of, ok := progressOf(e)
		if finished := ok && done >= of; !finished && t.now().Sub(t.last) < redrawEvery {
			return nil
		}
		return t.draw(nil)
	}
	switch e.(type) {
	case Frequent, Differing, Summary:
		if err := t.leave(); err != nil {
			return err
		}
	}
	return t.draw(lines(e))
}

// leave draws the board a last time; what follows comes below it.
func (t *terminal) leave() error {
	if t.drawn == 0 {
		return nil
	}
	err := t.draw(nil)
	t.board, t.drawn = Board{}, 0
	return err
}

// draw replaces the board on the screen by the lines above it and the board as
// it is now.
func (t *terminal) draw(above []string) error {
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", t.drawn) // up to the board's first line
	}
	board := t.board.Lines(barWidth)
	for _, line := range append(above, board...) {
		b.WriteString(line)
		b.WriteString("\x1b[K\n") // clear what was longer
	}
	b.WriteString("\x1b[J")
	t.drawn, t.last = len(board), t.now()
	_, err := io.WriteString(t.w, b.String())
	return err
}
