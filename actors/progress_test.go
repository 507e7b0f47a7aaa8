package actors

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestHost_Transfers: both sides of a session are counted apart, a new stream
// starts anew, and what has ended is gone.
func TestHost_Transfers(t *testing.T) {
	h := new(Host)
	h.progress.begin(TransferProgress{Session: 7, Outgoing: true, Attempt: 1})
	h.progress.begin(TransferProgress{Session: 7, Attempt: 1})
	h.progress.moved(7, true, 3, 300)
	h.progress.begin(TransferProgress{Session: 7, Attempt: 2})
	h.progress.moved(7, false, 1, 100)
	h.progress.moved(7, false, 1, 100)
	h.progress.moved(8, false, 1, 100)
	h.progress.end(7, true)
	want := []TransferProgress{{Session: 7, Attempt: 2, Items: 2, Bytes: 200}}
	if diff := cmp.Diff(want, h.Transfers(), cmpopts.IgnoreFields(TransferProgress{}, "Started", "Updated", "ItemRate", "ByteRate", "Stall")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
