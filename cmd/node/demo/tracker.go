package demo

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// dataKind is the vnode kind that the input is stored in.
const dataKind topology.Kind = "kv"

// tracker follows the transfers of a cluster through the records that are shown
// to it, in order of their versions. Records may be left out: what a transfer
// did is known from its certificate too.
type tracker struct {
	version  uint64
	before   uint64 // sessions up to this one are not counted
	sessions map[uint64]*tracked
	shares   []Share

	opened, flipped, ended int
	moved                  int    // flips, during the job, of partitions with data
	bytes                  uint64 // of transfers that ended
	differing              int    // transfers that ended with two digests
	empty                  int    // transfers that ended with no item
}

// tracked is what is known of one transfer.
type tracked struct {
	flipped   bool
	duringJob bool // it flipped while the job ran
	ended     bool
}

func newTracker() *tracker { return &tracker{sessions: map[uint64]*tracked{}} }

// begin takes the record that the tracker begins with. Transfers that ended
// before it are not counted.
func (t *tracker) begin(s topology.State) Owning {
	t.version = s.Version()
	for _, kind := range s.Kinds() {
		for _, part := range s.Parts(kind.Name) {
			if part.Certificate != nil {
				t.before = max(t.before, part.Certificate.Session)
			}
		}
	}
	t.shares = owning(s)
	return Owning{Version: s.Version(), Shares: t.shares, Settled: s.Settled()}
}

// see takes a record and returns what is new in it. duringJob says that the job
// has taken its first input and not its last.
func (t *tracker) see(s topology.State, duringJob bool) []Event {
	if s.Version() <= t.version {
		return nil
	}
	t.version = s.Version()
	var out []Event
	before := Moving{t.opened, t.flipped, t.ended}
	active := map[uint64]bool{}
	for _, x := range s.Transfers() {
		active[x.Session] = true
		known := t.session(x.Session)
		if x.Stage == topology.StageDrain || x.Stage == topology.StageClean {
			t.flip(known, x.Kind, x.Sealed.Bytes, duringJob)
		}
	}
	for _, kind := range s.Kinds() {
		for _, part := range s.Parts(kind.Name) {
			if c := part.Certificate; c != nil && c.Session > t.before {
				out = t.certificate(c, duringJob, out)
			}
		}
	}
	t.forget(active)
	if now := (Moving{t.opened, t.flipped, t.ended}); now != before {
		out = append(out, now)
	}
	if shares := owning(s); !slices.Equal(shares, t.shares) {
		t.shares = shares
		out = append(out, Owning{Version: s.Version(), Shares: shares, Settled: s.Settled()})
	}
	return out
}

func (t *tracker) session(id uint64) *tracked {
	known := t.sessions[id]
	if known == nil {
		known = &tracked{}
		t.sessions[id] = known
		t.opened++
	}
	return known
}

func (t *tracker) flip(known *tracked, kind topology.Kind, bytes uint64, duringJob bool) {
	if known.flipped {
		return
	}
	known.flipped, known.duringJob = true, duringJob
	t.flipped++
	if duringJob && kind == dataKind && bytes > 0 {
		t.moved++
	}
}

func (t *tracker) certificate(c *topology.Certificate, duringJob bool, out []Event) []Event {
	known := t.session(c.Session)
	if known.ended {
		return out
	}
	t.flip(known, c.Kind, c.Bytes, duringJob)
	known.ended = true
	t.ended++
	t.bytes += c.Bytes
	if c.Items == 0 {
		t.empty++
	}
	match := c.SourceDigest == c.TargetDigest
	if !match {
		t.differing++
	}
	return append(out, Moved{
		Session: c.Session, Kind: c.Kind, Partition: uint32(c.Partition), From: string(c.Source), To: string(c.Target),
		Items: c.Items, Bytes: c.Bytes, Digest: c.TargetDigest.String(), Match: match, DuringJob: known.duringJob,
	})
}

// transfers sums up the transfers that have ended.
func (t *tracker) transfers() Transfers {
	return Transfers{Ended: t.ended, Matching: t.ended - t.differing, Differing: t.differing, Empty: t.empty}
}

// forget drops transfers that are gone without a certificate: they were
// aborted, and count no longer.
func (t *tracker) forget(active map[uint64]bool) {
	for id, known := range t.sessions {
		if active[id] || known.ended {
			continue
		}
		delete(t.sessions, id)
		t.opened--
		if known.flipped {
			t.flipped--
		}
	}
}

// owning says who owns how many partitions of the data, in the order of names.
func owning(s topology.State) []Share {
	counts := map[ring.NodeID]int{}
	for _, part := range s.Parts(dataKind) {
		counts[part.Owner]++
	}
	var shares []Share
	for _, m := range s.Members() {
		if n := counts[m.Node]; n > 0 {
			shares = append(shares, Share{Node: string(m.Node), Partitions: n})
		}
	}
	return shares
}
