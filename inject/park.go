//go:build inject

package inject

import (
	"fmt"
	"slices"
	"sync"
)

var (
	heldMu sync.Mutex
	held   []*Held
)

// Held is the next pass of a point in this process, whoever makes it.
type Held struct {
	point   Point
	err     error
	reached chan struct{} // closed by the pass
	release chan struct{} // closed by Release
	once    sync.Once
}

// Park holds the next pass of a point until Release.
func Park(p Point) *Held { return hold(p, nil) }

// Fail makes the next pass of a point of Failing fail with err. Release disarms it.
func Fail(p Point, err error) *Held {
	if err == nil || !slices.Contains(Failing, p) {
		panic(fmt.Sprintf("inject: %s can't fail with %v", p, err))
	}
	h := hold(p, err)
	close(h.release)
	return h
}

func hold(p Point, err error) *Held {
	h := &Held{point: p, err: err, reached: make(chan struct{}), release: make(chan struct{})}
	heldMu.Lock()
	defer heldMu.Unlock()
	held = append(held, h)
	return h
}

// Reached is closed when somebody has come to the point.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Release lets the pass go on; one that has not begun is not held any more. It may be called again.
func (h *Held) Release() {
	take(func(o *Held) bool { return o == h })
	if h.err == nil {
		h.once.Do(func() { close(h.release) })
	}
}

// take removes the first that fits, and returns it.
func take(fits func(*Held) bool) *Held {
	heldMu.Lock()
	defer heldMu.Unlock()
	i := slices.IndexFunc(held, fits)
	if i < 0 {
		return nil
	}
	h := held[i]
	held = slices.Delete(held, i, i+1)
	return h
}

// pass waits if the pass of a point is held, and returns the error that was asked for.
func pass(p Point) error {
	h := take(func(o *Held) bool { return o.point == p })
	if h == nil {
		return nil
	}
	close(h.reached)
	<-h.release
	return h.err
}
