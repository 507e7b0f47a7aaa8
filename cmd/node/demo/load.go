package demo

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dee2748c/baton/kv"
)

// bucket is where the input is stored.
const bucket = "input"

// loaders is how many files are loaded at the same time.
const loaders = 4

// How often a put is tried, how long each time, and how long it waits before the
// second try; then twice as long before each further one, up to the longest. In a
// process that does not get its share of the machine, nodes don't answer each other
// for many seconds: the tries go on for a minute.
const (
	putTries  = 16
	putWithin = 30 * time.Second
	putPause  = 100 * time.Millisecond
	longPause = 6 * time.Second
)

// loading is a load under way: every file of the input becomes one object or
// more.
type loading struct {
	in     *Input
	put    func(ctx context.Context, o kv.Object) error
	report func(Loading)

	mu     sync.Mutex
	done   Loading
	hashes []uint64 // of the files' contents, in the order of in.Files
}

// run loads the files in the order that the seed decides, several at a time,
// and returns at the first error. put must be safe for concurrent use; report
// is called by one goroutine at a time.
func (l *loading) run(ctx context.Context, seed uint64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.hashes = make([]uint64, len(l.in.Files))
	l.done.Of = l.in.Bytes
	order := make(chan int)
	var workers sync.WaitGroup
	for range loaders {
		workers.Go(func() {
			for i := range order {
				if err := l.file(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(l.in.Files)) {
		if ctx.Err() != nil {
			break
		}
		order <- i
	}
	close(order)
	workers.Wait()
	return context.Cause(ctx)
}

// file stores one file, piece by piece.
func (l *loading) file(ctx context.Context, i int) error {
	file := l.in.Files[i]
	f, err := l.in.Open(file.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	var hash maphash.Hash
	hash.SetSeed(seed)
	var pieces int
	var stored int64
	err = split(io.TeeReader(f, &hash), file.Size, PieceBytes, maxPieceBytes, func(piece []byte) error {
		key := pieceKey(file.Name, pieces)
		pieces++
		stored += int64(len(piece))
		if err := l.store(ctx, kv.Object{Bucket: bucket, Key: key, Value: piece}); err != nil {
			return &putError{err}
		}
		return nil
	})
	var failed *putError
	switch {
	case errors.As(err, &failed):
		return failed.err
	case errors.Is(err, errLongWord):
		return &InputError{Path: l.in.path(file.Name), What: "can't be cut between words", Remedy: "leave it out of the input", Err: err}
	case err != nil:
		return unreadable(l.in.path(file.Name), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hashes[i] = hash.Sum64()
	l.done.Files++
	l.done.Inputs += pieces
	l.done.Bytes += stored
	l.report(l.done)
	return nil
}

// store puts an object, again if that may have been done or was not: a value that
// is stored twice is one input of a job.
func (l *loading) store(ctx context.Context, o kv.Object) error {
	for try := 1; ; try++ {
		bounded, cancel := context.WithTimeout(ctx, putWithin)
		err := l.put(bounded, o)
		late := bounded.Err() != nil
		cancel()
		again := late || errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrNotDone)
		if err == nil || !again || try == putTries || ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(min(putPause<<(try-1), longPause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// putError tells an error of the cluster from one of the file.
type putError struct{ err error }

func (e *putError) Error() string { return e.err.Error() }
