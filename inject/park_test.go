//go:build inject

package inject

import (
	"errors"
	"testing"
)

// TestPark: one pass is held until it is released, and no other (I4).
func TestPark(t *testing.T) {
	h := Park(ApplyAfter)
	At(ApplyBefore)
	done := make(chan struct{})
	go func() {
		At(ApplyAfter)
		close(done)
	}()
	<-h.Reached()
	At(ApplyAfter) // the second pass
	select {
	case <-done:
		t.Error("the pass was not held")
	default:
	}
	h.Release()
	h.Release()
	<-done
	h = Park(ApplyAfter)
	h.Release()
	At(ApplyAfter)
	select {
	case <-h.Reached():
		t.Error("a released point is armed")
	default:
	}
}

// TestFail: one pass fails (I4), and what can't fail is refused.
func TestFail(t *testing.T) {
	want := errors.New("as asked")
	Fail(SyncBefore, want)
	if err := Err(SyncBefore); !errors.Is(err, want) {
		t.Errorf("the first pass returns %v", err)
	}
	if err := Err(SyncBefore); err != nil {
		t.Errorf("the second pass returns %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a point that can't fail is armed")
		}
	}()
	Fail(PromoteAfter, want)
}
