package messages

// Header is the envelope of every frame. It holds all that routing and fencing ask about, so that no payload is decoded
// before the frame is admitted. Integers travel little endian; the layout is written at AppendHeader.
type Header struct {
	// Type says what the payload is and who handles it.
	Type Type
	// Flags are bits whose meaning belongs to the type.
	Flags uint8
	// Hop counts forwards: 0 from the origin, 1 after the only forward that is allowed (rule F14).
	Hop uint8
	// Code is the outcome of a reply; CodeOK in everything else. When it is not CodeOK the payload is an Error.
	Code Code
	// ClusterID is the cluster that the sender belongs to (rule F1).
	ClusterID [16]byte
	// From names the node where the frame began, FromIncarnation that node's life. A forward keeps both.
	From            string
	FromIncarnation uint64
	// To names the node that the frame is for, ToIncarnation the life it is meant for (rule F2).
	To            string
	ToIncarnation uint64
	// Kind and Partition name a vnode.
	Kind      string
	Partition uint32
	// RingVersion and Epoch are the sender's view when it sent.
	RingVersion uint64
	Epoch       uint64
	// Session is the transfer that the frame belongs to, 0 outside transfers.
	Session uint64
	// Seq is a request id, or the place of the frame in its stream.
	Seq uint64
	// Endpoint is the party within a node that is addressed, or that waits for the answer, when it is not a vnode.
	Endpoint uint64
}

// Frame is one message between nodes: a header and the bytes that its type explains.
//
// A frame is frozen once it was sent or received: nobody writes to its payload again. Frames that arrived together may
// share one backing array, so who keeps a few bytes of a payload for long copies them.
type Frame struct {
	Header
	Payload []byte
}

// Size returns the number of bytes that the frame takes on the wire.
func (f *Frame) Size() int { return f.Header.size() + len(f.Payload) }

// Type tells what a frame carries. The numbers are the wire's and are never given away again.
type Type uint8

// The types of frames. Each comment names the payload.
const (
	TypeInvalid Type = 0

	TypeHello      Type = 1 // Hello: first frame of every stream
	TypeHelloReply Type = 2 // HelloReply
	TypeEnd        Type = 3 // Error when Code is set: last frame of one side of a stream
	TypeAlive      Type = 4 // empty: the sender's process lives, whatever else the stream carries

	TypeRequest  Type = 8 // raw: a vnode command; Seq is the request id, Endpoint the asker
	TypeResponse Type = 9 // raw, or Error when Code is set; Seq and Endpoint as in the request
	// TypeFence asks the owner of the partition at Epoch to serve nothing that is sent by a ring below RingVersion, and is
	// answered like a request when that is durable; empty.
	TypeFence Type = 10

	TypePipeEnqueue Type = 16 // raw: Enqueue and a batch of items; Seq is its place in the sender's stream
	TypePipeAck     Type = 17 // PipeAck; Seq is the highest sequence taken
	TypePipeRefuse  Type = 18 // PipeRefuse; Seq is the sequence to go on with

	TypeGetSpec      Type = 24 // GetSpec
	TypeSpecReply    Type = 25 // SpecReply
	TypeEndOfInputs  Type = 26 // EndOfInputs
	TypeDone         Type = 27 // Done
	TypeWorkerFailed Type = 28 // WorkerFailed
	TypeDestroy      Type = 29 // Destroy
	TypeDestroyReply Type = 30 // DestroyReply
	TypeFoldOpen     Type = 31 // FoldOpen
	TypeFoldOpened   Type = 32 // FoldOpened
	TypeFoldStart    Type = 33 // FoldStart
	TypeFoldDone     Type = 34 // FoldDone
	TypeFoldClose    Type = 35 // FoldClose
	TypeProgress     Type = 36 // Progress
	TypeTrace        Type = 37 // Trace
	TypeGetWork      Type = 38 // GetWork
	TypeWorkReply    Type = 39 // WorkReply

	TypeHandoffHello      Type = 64 // HandoffHello
	TypeHandoffHelloReply Type = 65 // HandoffHelloReply
	TypeHandoffItems      Type = 66 // raw: a run of items of the bulk copy
	TypeHandoffDelta      Type = 67 // raw: states that changed since the copy began; same sequence as the items
	TypeHandoffAck        Type = 68 // empty; Seq is the highest sequence taken in order and durable
	TypeHandoffFin        Type = 69 // Fin
	TypeHandoffFinReply   Type = 70 // FinReply
	TypeHandoffAbort      Type = 71 // Abort
)

// FlagBulkEnd is a flag of TypeHandoffItems: no item of the bulk copy follows.
const FlagBulkEnd uint8 = 1

var typeNames = [256]string{
	TypeHello: "hello", TypeHelloReply: "hello_reply", TypeEnd: "end", TypeAlive: "alive",
	TypeRequest: "request", TypeResponse: "response", TypeFence: "fence",
	TypePipeEnqueue: "pipe_enqueue", TypePipeAck: "pipe_ack", TypePipeRefuse: "pipe_refuse",
	TypeGetSpec: "get_spec", TypeSpecReply: "spec_reply", TypeEndOfInputs: "end_of_inputs", TypeDone: "done",
	TypeWorkerFailed: "worker_failed", TypeDestroy: "destroy", TypeDestroyReply: "destroy_reply",
	TypeFoldOpen: "fold_open", TypeFoldOpened: "fold_opened", TypeFoldStart: "fold_start", TypeFoldDone: "fold_done",
	TypeFoldClose: "fold_close", TypeProgress: "progress",
	TypeTrace: "trace", TypeGetWork: "get_work", TypeWorkReply: "work_reply",
	TypeHandoffHello: "handoff_hello", TypeHandoffHelloReply: "handoff_hello_reply", TypeHandoffItems: "handoff_items",
	TypeHandoffDelta: "handoff_delta", TypeHandoffAck: "handoff_ack", TypeHandoffFin: "handoff_fin",
	TypeHandoffFinReply: "handoff_fin_reply", TypeHandoffAbort: "handoff_abort",
}

// Known reports whether this build has a meaning for the type.
func (t Type) Known() bool { return typeNames[t] != "" }

// String returns the type's name, or its number when it is unknown.
func (t Type) String() string {
	if name := typeNames[t]; name != "" {
		return name
	}
	return "type(" + itoa(uint64(t)) + ")"
}
