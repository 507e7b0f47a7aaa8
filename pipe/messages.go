package pipe

import "github.com/dee2748c/baton/cluster/ring"

// The messages between the machines. Each is an action of the machine that
// sends it and an event of the machine that gets it; shells carry them.

// Ack says that every batch of the stream up to Seq is in the queue at
// Partition (or was taken by the sink's consumer).
type Ack struct {
	To        Address // zero: the vnode of partition Stream.From
	Pipe      ID
	Fitting   int // the destination that acknowledges
	Partition ring.Partition
	Stream    Stream
	Seq       uint64
}

// Refuse says that a batch came out of order: Expected is the one to go on
// with.
type Refuse struct {
	To        Address // zero: the vnode of partition Stream.From
	Pipe      ID
	Fitting   int
	Partition ring.Partition
	Stream    Stream
	Expected  uint64
	Round     uint8 // of the refused Enqueue; in the flags of the frame
}

// SpecRequest asks a coordinator for a pipe's spec.
type SpecRequest struct {
	To        Address
	Pipe      ID
	Partition ring.Partition
}

// SpecKnown answers SpecRequest.
type SpecKnown struct {
	Partition ring.Partition // to whom
	Spec      *Spec
}

// SpecGone answers SpecRequest for a pipe that has ended or never was.
type SpecGone struct {
	Partition ring.Partition // to whom
	Pipe      ID
}

// EOI tells one partition of a fitting that everything sent to it has been
// acknowledged: process what is queued, then finish. It may be repeated.
type EOI struct {
	Pipe        ID
	Fitting     int
	Partition   ring.Partition
	RunEmpty    bool // run a worker even when there was no input
	Probe       bool // the fitting may still send to itself: only tell the counts when there is nothing to do
	Coordinator Address
}

// Done answers EOI. Repeated EOIs get it again.
type Done struct {
	To        Address
	Pipe      ID
	Fitting   int
	Partition ring.Partition
	Probe     bool // answers a probe: there was nothing to do
	Counts    Counts
}

// Failed says that a worker failed. It is repeated until Destroy comes.
type Failed struct {
	To        Address
	Pipe      ID
	Fitting   int
	Partition ring.Partition
	Input     []byte
	Cause     string
}

// Destroy drops everything of a pipe at a partition.
type Destroy struct {
	Pipe      ID
	Partition ring.Partition
	ReplyTo   Address
}

// Destroyed answers Destroy.
type Destroyed struct {
	To        Address
	Pipe      ID
	Partition ring.Partition
}

// Counts is what a worker or a sender did.
type Counts struct {
	In      uint64   // items processed
	Aside   uint64   // items set aside
	Letters []Letter // the first of them
	Own     []Sent   // items that its workers sent to the fitting itself, as Sent
	Sent    []Sent   // items emitted, all of them acknowledged, by destination, ordered; one entry for the sink
}

// Taken returns the number of inputs that were dealt with.
func (c Counts) Taken() uint64 { return c.In + c.Aside }

// Sent counts the items that went to one partition.
type Sent struct {
	Partition ring.Partition // 0 for the sink
	Items     uint64
}

// Out returns the number of items emitted.
func (c Counts) Out() uint64 {
	var n uint64
	for _, s := range c.Sent {
		n += s.Items
	}
	return n
}
