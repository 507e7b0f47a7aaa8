package baton_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

func jobCluster(t *testing.T) *batontest.Cluster { return patientCluster(t, 0) }

func patientCluster(t *testing.T, patience time.Duration) *batontest.Cluster {
	return batontest.Start(t, batontest.Options{Node: baton.Options{
		RingSize: 8, Jobs: []mapreduce.Definition{mapreduce.WordCount()},
		Entropy: baton.EntropyOptions{Interval: -1, Patience: patience},
	}})
}

// words runs a word count over bucket b.
func words(ctx context.Context, n *baton.Node) (map[string]uint64, error) {
	run, err := baton.RunJob(ctx, n, mapreduce.WordCount(), baton.Bucket("b"))
	if err != nil {
		return nil, err
	}
	counts := make(map[string]uint64)
	for w, n := range run.All() {
		counts[w] = n
	}
	<-run.Released()
	return counts, run.Err()
}

// putWords stores objects of one word each, and adds the acknowledged ones.
func putWords(t *testing.T, n *baton.Node, o kv.WriteOptions, from, to int, acked map[string]bool) {
	t.Helper()
	for i := from; i < to; i++ {
		word := "w" + strconv.Itoa(i)
		_, err := n.KV().Write(t.Context(), kv.Put{Object: kv.Object{Bucket: "b", Key: word, Value: []byte(word)}, Options: o})
		switch {
		case err == nil:
			acked[word] = true
		case !errors.Is(err, kv.ErrNotDone) && !errors.Is(err, kv.ErrUnknown):
			t.Fatal(err)
		}
	}
}

// TestJob_missedWrites: a job counts every acknowledged write, also where the
// copy that it reads has missed half of them.
func TestJob_missedWrites(t *testing.T) {
	for _, tt := range []struct {
		name     string
		sloppy   kv.Choice
		handBack bool
	}{
		{"nobody keeps them for it", kv.No, false},
		{"fallbacks keep them for it", kv.Yes, false},
		{"fallbacks have handed them back", kv.Yes, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := jobCluster(t)
			o := kv.WriteOptions{Sloppy: tt.sloppy}
			acked := make(map[string]bool)
			putWords(t, c.Node("a"), o, 0, 100, acked)
			c.Cut("a", "c")
			c.Cut("b", "c")
			putWords(t, c.Node("a"), o, 100, 200, acked)
			c.HealAll()
			if tt.handBack {
				until(t, "the end of all hints", func() bool {
					for range c.Node("a").View().AllHints() {
						return false
					}
					return true
				})
			}
			missing := func(counts map[string]uint64) (n int) {
				for w := range acked {
					if counts[w] != 1 {
						n++
					}
				}
				return n
			}
			for _, via := range []string{"c", "a"} {
				counts, err := words(t.Context(), c.Node(via))
				if err != nil {
					t.Fatal(err)
				}
				if n := missing(counts); n > 0 {
					t.Errorf("via %s: %d of %d acknowledged words are not counted once", via, n, len(acked))
				}
			}
			t.Logf("%d of 200 acknowledged, %d states taken over", len(acked), c.Node("c").AntiEntropy().Repaired)
		})
	}
}

// TestJob_tooFewCopies: where a copy that it takes does not answer there is no
// answer, and the error names the head.
func TestJob_tooFewCopies(t *testing.T) {
	c := patientCluster(t, time.Millisecond)
	if _, err := c.Node("a").Buckets().SetProperties(t.Context(), "", "b", bucket.Changes{"w": 1, "dw": 1}); err != nil {
		t.Fatal(err)
	}
	putWords(t, c.Node("a"), kv.WriteOptions{}, 0, 50, map[string]bool{})
	if _, err := words(t.Context(), c.Node("a")); err != nil {
		t.Fatal(err)
	}
	c.Cut("b", "c")
	_, err := words(t.Context(), c.Node("a"))
	var head *pipe.FoldError
	if !errors.Is(err, kv.ErrCoverage) || !errors.As(err, &head) {
		t.Fatalf("%v, want ErrCoverage and the head", err)
	}
	t.Log(err)
	c.HealAll()
	if _, err := words(t.Context(), c.Node("a")); err != nil {
		t.Error(err)
	}
}

// TestJob_waitsForCopies: a copy that does not answer for a while, as on a
// machine that is too busy, makes a job later and not less.
func TestJob_waitsForCopies(t *testing.T) {
	c := jobCluster(t)
	if _, err := c.Node("a").Buckets().SetProperties(t.Context(), "", "b", bucket.Changes{"w": 1, "dw": 1}); err != nil {
		t.Fatal(err)
	}
	acked := make(map[string]bool)
	putWords(t, c.Node("a"), kv.WriteOptions{}, 0, 50, acked)
	c.Cut("b", "c")
	failed := func() (n uint64) {
		for _, node := range c.Nodes() {
			n += node.AntiEntropy().Failed
		}
		return n
	}
	before := failed()
	type outcome struct {
		counts map[string]uint64
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		counts, err := words(t.Context(), c.Node("a"))
		ended <- outcome{counts, err}
	}()
	// Of 8 heads each compares its own copy with two others, and again.
	until(t, "copies that could not be compared, again and again", func() bool {
		return len(ended) > 0 || failed() > before+2*2*8
	})
	c.HealAll()
	if o := <-ended; o.err != nil || len(o.counts) != len(acked) {
		t.Errorf("%d words, %v; want %d", len(o.counts), o.err, len(acked))
	}
}

// TestJob_cancelWhileItWaits: a job that waits for copies ends with its context,
// and leaves nothing.
func TestJob_cancelWhileItWaits(t *testing.T) {
	c := jobCluster(t)
	c.Cut("a", "c")
	c.Cut("b", "c")
	acked := make(map[string]bool)
	putWords(t, c.Node("a"), kv.WriteOptions{Sloppy: kv.Yes}, 0, 50, acked)
	c.Cut("a", "b") // nothing is handed back, and no job is whole
	c.Heal("a", "c")
	until(t, "hints that c knows of", func() bool {
		for range c.Node("c").View().AllHints() {
			return true
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := words(ctx, c.Node("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	c.HealAll()
	counts, err := words(t.Context(), c.Node("b"))
	if err != nil || len(counts) != len(acked) {
		t.Errorf("%d words, %v; want %d", len(counts), err, len(acked))
	}
}
