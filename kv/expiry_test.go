package kv_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// expiring is a catalog whose bucket "short" keeps objects for a second.
func expiring() *bucket.Catalog {
	return bucket.NewCatalog(bucket.Defaults(3), func(yield func(string, []byte) bool) {
		yield("bucket/default\x00short", []byte(`{"ttl":1}`))
	})
}

// writtenAt is a state of that time.
func writtenAt(actor string, ms uint64) *kv.State {
	s := &kv.State{}
	s.Write(nil, kv.Sibling{Dot: kv.Dot{Actor: kv.Actor(actor), N: 1}, Modified: ms, Content: kv.EncodeContent(kv.Content{Value: []byte("v")})})
	return s
}

const marginMs = uint64(kv.SweepMargin / time.Millisecond)

// An exchange brings no object back that one copy has swept; one whose time is
// just over it still does, for other nodes' clocks may be behind.
func TestExchange_expired(t *testing.T) {
	catalog := expiring()
	for _, tt := range []struct {
		name, bucket string
		age          uint64 // ms
		passes       bool
	}{
		{"in its time", "short", 500, true},
		{"in the margin", "short", 1000 + marginMs, true},
		{"past it", "short", 1001 + marginMs, false},
		{"of a bucket without ttl", "long", 1001 + marginMs, true},
	} {
		for side := range 2 {
			t.Run(fmt.Sprint(tt.name, ", copy ", side), func(t *testing.T) {
				a, b := newCopied(t, testHead, catalog), newCopied(t, testHead+1, catalog)
				from := []*copied{a, b}[side]
				now := 10 * marginMs
				from.merge(false, kv.AppendKey(nil, testHead, "", tt.bucket, "k"), writtenAt("x", now-tt.age))
				got, err := exchangeAt(t, testHead, 3, a, b, now, 1<<20, func() {})
				if err != nil {
					t.Fatal(err)
				}
				if took := got.Repaired[1-side]; (took == 1) != tt.passes || took > 1 {
					t.Errorf("the other copy took %d objects over: %+v", took, got)
				}
				if held := len(from.objects(testHead, tt.bucket)); held != 1 {
					t.Errorf("its own copy holds %d", held)
				}
			})
		}
	}
}

// sweepAll sweeps a copy page by page.
func (v *copied) sweepAll(now uint64, limit int) (all kv.Swept, pages int) {
	v.t.Helper()
	ask := kv.Sweep{Now: time.UnixMilli(int64(now)), Limit: limit}
	for more := true; more; more = len(ask.After) > 0 {
		page, err := ask.DecodeReply(v.send(kv.EncodeSweep(ask), false))
		if err != nil || pages > 1000 {
			v.t.Fatal("page", pages, err)
		}
		all.Objects, all.Removed = all.Objects+page.Objects, all.Removed+page.Removed
		ask.After = slices.Clone(page.After)
		pages++
	}
	return all, pages
}

// A sweep removes what is past its time and the margin, whatever the size of its
// pages, and looks at nothing of buckets whose objects stay.
func TestSweep(t *testing.T) {
	now := 10 * marginMs
	for _, limit := range []int{1, 3, 7, 1000} {
		v := newCopied(t, testHead, expiring())
		for i := range 10 {
			key := func(bucket string) []byte { return kv.AppendKey(nil, testHead, "", bucket, fmt.Sprint(i)) }
			v.merge(false, key("long"), writtenAt("x", 1))
			v.merge(false, key("tall"), writtenAt("x", 1))
			age := uint64(1000) + marginMs // kept to the millisecond
			if i%2 == 0 {
				age++
			}
			v.merge(false, key("short"), writtenAt("x", now-age))
		}
		// The newest sibling counts.
		v.merge(false, kv.AppendKey(nil, testHead, "", "short", "0"), writtenAt("y", now))
		swept, pages := v.sweepAll(now, limit)
		if swept.Objects != 10 || swept.Removed != 4 {
			t.Errorf("pages of %d: %+v in %d pages, want 10 looked at and 4 removed", limit, swept, pages)
		}
		if limit == 1 && pages < 10 || limit == 1000 && pages != 1 {
			t.Errorf("pages of %d: %d pages", limit, pages)
		}
		if s, l := len(v.objects(testHead, "short")), len(v.objects(testHead, "long", "tall")); s != 6 || l != 20 {
			t.Errorf("pages of %d: %d objects that expire and %d others are left", limit, s, l)
		}
		if swept, _ := v.sweepAll(now, limit); swept.Removed != 0 || swept.Objects != 6 {
			t.Errorf("a second sweep: %+v", swept)
		}
	}
}
