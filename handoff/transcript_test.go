package handoff_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// args reads the arguments of one transcript command with defaults.
type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) has(key string) bool { return a.d.HasArg(key) }

func (a args) num(key string, absent int) int {
	if !a.has(key) {
		return absent
	}
	var n int
	a.d.ScanArgs(a.t, key, &n)
	return n
}

func (a args) u64(key string) uint64 { return uint64(a.num(key, 0)) }

func (a args) str(key string) string {
	if !a.has(key) {
		return ""
	}
	var s string
	a.d.ScanArgs(a.t, key, &s)
	return s
}

// summary reads items=, bytes= and digest= (a small number stands for one).
func (a args) summary() store.Summary {
	s := store.Summary{Items: a.u64("items"), Bytes: a.u64("bytes")}
	s.Digest[15] = byte(a.num("digest", 0))
	return s
}

func (a args) seal() topology.Seal { return a.summary().Seal(a.u64("seq")) }

// wireErrors are the errors that transcripts name.
var wireErrors = map[string]error{
	"damaged": messages.ErrDamaged, "stale-session": messages.ErrStaleSession, "unknown-session": messages.ErrUnknownSession,
	"sealed": messages.ErrSealed, "gap": messages.ErrGap, "mismatch": messages.ErrMismatch, "codec": messages.ErrCodec,
	"no-space": messages.ErrNoSpace, "overloaded": messages.ErrOverloaded, "wrong-node": messages.ErrWrongNode,
	"cancelled": messages.ErrCancelled, "internal": messages.ErrInternal, "timeout": messages.ErrTimeout,
	"incarnation": messages.ErrIncarnation, "reset": errors.New("connection reset"),
}

func (a args) err() error {
	err, ok := wireErrors[a.str("err")]
	if !ok {
		a.d.Fatalf(a.t, "unknown err=%q", a.str("err"))
	}
	return err
}

func (a args) wireErr() *messages.Error { return messages.ErrorOf(a.err()) }

// render writes what a machine did, one action a line, and where it stands.
func render[A any](actions []A, phase string) string {
	var b strings.Builder
	for _, action := range actions {
		v := reflect.ValueOf(action)
		b.WriteString(v.Type().Name())
		for i := range v.NumField() {
			b.WriteString(renderField(v.Type().Field(i).Name, v.Field(i).Interface()))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "-- %s\n", phase)
	return b.String()
}

func renderField(name string, v any) string {
	switch v := v.(type) {
	case []byte:
		return fmt.Sprintf(" %s=%d", name, len(v))
	case topology.Seal:
		return fmt.Sprintf(" %s={seq=%d items=%d bytes=%d digest=%d}", name, v.LastSeq, v.Items, v.Bytes, v.Digest[15])
	case handoff.Items:
		return fmt.Sprintf(" %s=%d", name, v.Len())
	case nil:
		return fmt.Sprintf(" %s=nil", name)
	case error:
		if e := (*messages.Error)(nil); errors.As(v, &e) {
			return fmt.Sprintf(" %s=%q is=%v version=%d session=%d", name, v, messages.Code(e.GetCode()), e.GetRingVersion(), e.GetSession())
		}
		return fmt.Sprintf(" %s=%q", name, v)
	case string, topology.Reason:
		return fmt.Sprintf(" %s=%q", name, v)
	}
	return fmt.Sprintf(" %s=%v", name, v)
}

func TestSender_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/sender", func(t *testing.T, path string) {
		var s *handoff.Sender
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			a := args{t, d}
			if d.Cmd == "new" {
				s = handoff.NewSender(handoff.SenderOptions{
					Window: a.num("window", 0), BatchBytes: a.num("batch", 100), DirtyItems: a.num("dirty", 10),
					ReadyLag: uint64(a.num("lag", 5)), Attempt: a.num("attempt", 0), MaxAttempts: a.num("attempts", 0),
					Frozen: a.has("frozen"),
				})
				return render[handoff.SenderAction](nil, s.Stats().Phase)
			}
			actions := s.Step(senderEvent(a))
			return render(actions, s.Stats().Phase)
		})
	})
}

func senderEvent(a args) handoff.SenderEvent {
	payload := make([]byte, a.num("size", 0))
	switch a.d.Cmd {
	case "opened":
		return handoff.StreamOpened{}
	case "hello-ok":
		return handoff.HelloOK{HaveSeq: a.u64("have"), Window: a.num("window", 0)}
	case "fold":
		return handoff.FoldBegun{Empty: a.has("empty")}
	case "bulk":
		return handoff.BulkRead{Items: a.num("n", 0), Payload: payload, Last: a.has("last")}
	case "dirty":
		e := handoff.DirtyRead{Items: a.num("n", 0), Payload: payload, Left: a.u64("left")}
		if a.has("final") {
			sum := a.summary()
			e.Final = &sum
		}
		return e
	case "unreadable":
		return handoff.Unreadable{Err: errors.New(a.str("item"))}
	case "frozen":
		return handoff.Frozen{}
	case "tick":
		return handoff.Tick{}
	case "ack":
		return handoff.Acked{UpTo: a.u64("seq")}
	case "fin-ok":
		return handoff.FinOK{Seal: a.seal()}
	case "fin-bad":
		return handoff.FinBad{Err: a.wireErr(), Have: a.seal()}
	case "rejected":
		return handoff.Rejected{Err: a.wireErr()}
	case "lost":
		return handoff.Lost{Err: a.err()}
	case "cancelled":
		return handoff.Cancelled{Reason: a.str("reason")}
	}
	a.d.Fatalf(a.t, "unknown command")
	return nil
}

func TestReceiver_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/receiver", func(t *testing.T, path string) {
		var r *handoff.Receiver
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				r = handoff.NewReceiver()
				return render[handoff.ReceiverAction](nil, r.Stats().Phase)
			}
			actions := r.Step(receiverEvent(args{t, d}))
			return render(actions, r.Stats().Phase)
		})
	})
}

func receiverEvent(a args) handoff.ReceiverEvent {
	session := uint64(a.num("session", 7))
	switch a.d.Cmd {
	case "hello":
		return handoff.Hello{Session: session, Source: "a", Codec: uint32(a.num("codec", handoff.Codec)), View: a.view()}
	case "view":
		return handoff.ViewApplied{View: a.view()}
	case "view-timeout":
		return handoff.ViewTimedOut{}
	case "reset-done":
		return handoff.StagingReset{}
	case "items", "delta":
		return handoff.Batch{Session: session, Seq: a.u64("seq"), Delta: a.d.Cmd == "delta", Payload: a.payload()}
	case "fin":
		return handoff.Fin{Session: session, Seal: a.seal()}
	case "applied":
		return handoff.Applied{Seq: a.u64("seq")}
	case "synced":
		return handoff.StagingSynced{Summary: a.summary()}
	case "seal-stored":
		return handoff.SealStored{}
	case "store-failed":
		return handoff.StoreFailed{Err: a.err()}
	case "aborted":
		return handoff.SourceAborted{Reason: a.str("reason")}
	case "lost":
		return handoff.StreamLost{Err: a.err()}
	case "session-closed":
		return handoff.SessionClosed{Err: errors.New("session 7: closed")}
	}
	a.d.Fatalf(a.t, "unknown command")
	return nil
}

var stages = map[string]topology.Stage{
	"prepare": topology.StagePrepare, "fold": topology.StageFold, "seal": topology.StageSeal,
	"drain": topology.StageDrain, "clean": topology.StageClean, "abort": topology.StageAbort,
}

// view is what node b knows: by default that session 7 moves the partition from
// a to it, in FOLD, and that its staging generation is there.
func (a args) view() handoff.View {
	v := handoff.View{Node: "b", RingVersion: uint64(a.num("version", 40))}
	v.Part = topology.Part{Owner: "a", Epoch: 3, LastSession: uint64(a.num("last", 7))}
	v.MaxSession = uint64(a.num("max", 7))
	v.Staged = uint64(a.num("staged", 7))
	if a.has("sealed") {
		seal := topology.Seal{LastSeq: 3, Items: 2, Bytes: 20}
		v.Sealed = &seal
	}
	if open := a.num("open", 7); open != 0 {
		source, target := "a", "b"
		if a.has("source") {
			source = a.str("source")
		}
		if a.has("target") {
			target = a.str("target")
		}
		stage := topology.StageFold
		if a.has("stage") {
			stage = stages[a.str("stage")]
		}
		v.Part.Transfer = &topology.Transfer{
			Session: uint64(open), Source: ring.NodeID(source), Target: ring.NodeID(target), Stage: stage,
		}
	}
	return v
}

// payload is a batch of n items; with damaged, one whose last byte is missing.
func (a args) payload() []byte {
	b := handoff.NewItemsBuilder(0)
	for i := range a.num("n", 1) {
		if err := b.Put(fmt.Appendf(nil, "k%d", i), []byte("value"), 1); err != nil {
			a.d.Fatalf(a.t, "put: %v", err)
		}
	}
	p := b.Take()
	if a.has("damaged") {
		p = p[:len(p)-1]
	}
	return p
}
