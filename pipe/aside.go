package pipe

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// Limits of what is kept of inputs that were set aside.
const (
	MaxLetter     = 64 << 10 // bytes of one input
	workerLetters = 8        // of one worker
	pipeLetters   = 100      // of a pipe
)

// Letter is an input that a worker failed at and its cause.
type Letter struct {
	Fitting   string // filled in by the coordinator
	Partition ring.Partition
	Input     []byte // cut at MaxLetter bytes
	Size      int    // of the whole input
	Cause     string
}

// SetAsideError ends a pipe of policy SetAside whose results are complete but
// for some inputs. It matches ErrSetAside.
type SetAsideError struct {
	Pipe    ID
	Items   uint64
	Letters []Letter // the first of them, at most some of each worker
}

// Error says how many, and why the first.
func (e *SetAsideError) Error() string {
	text := fmt.Sprintf("pipe %v: complete but %d inputs set aside", e.Pipe, e.Items)
	if len(e.Letters) > 0 {
		l := &e.Letters[0]
		text += fmt.Sprintf("; at fitting %s, partition %d: %s", l.Fitting, l.Partition, l.Cause)
	}
	return text
}

// Unwrap returns ErrSetAside.
func (e *SetAsideError) Unwrap() error { return ErrSetAside }

// setAside counts an input as dealt with and keeps it if there is room.
func (r *Runner) setAside(item []byte, cause error) {
	r.aside++
	if len(r.letters) < workerLetters {
		r.letters = append(r.letters, Letter{
			Partition: r.context.Partition, Size: len(item),
			Input: append([]byte(nil), item[:min(len(item), MaxLetter)]...), Cause: reportable(cause),
		})
	}
}

func appendAside(b []byte, n uint64, letters []Letter) []byte {
	b = binary.AppendUvarint(b, n)
	b = binary.AppendUvarint(b, uint64(len(letters)))
	for i := range letters {
		l := &letters[i]
		b = binary.AppendUvarint(b, uint64(l.Partition))
		b = appendBytes(b, l.Input)
		b = binary.AppendUvarint(b, uint64(l.Size))
		b = appendBytes(b, l.Cause)
	}
	return b
}

func (r *reader) aside() (n uint64, letters []Letter) {
	n = r.uvarint()
	for k := r.count(); k > 0 && r.err == nil; k-- {
		letters = append(letters, Letter{
			Partition: r.partition(), Input: r.bytes(), Size: int(r.bounded(MaxItem)), Cause: r.string(),
		})
	}
	if r.err != nil {
		return 0, nil
	}
	return n, letters
}
