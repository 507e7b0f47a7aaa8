package baton_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
)

// logged keeps what nodes log, for a test to read. Safe for concurrent use.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// of returns the lines of a message about a partition of kv, by node.
func (l *logged) of(t *testing.T, message, node string, p ring.Partition) (out []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		var x map[string]any
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if x["msg"] == message && x["node"] == node && x["kind"] == "kv" && x["partition"] == float64(p) {
			out = append(out, x)
		}
	}
	return out
}

// transferring is a cluster of two nodes with data, and the admin API of one.
type transferring struct {
	t   *testing.T
	ctx context.Context
	c   *batontest.Cluster
	log logged
	api *admin.Client // asks a, which sends
}

func newTransferring(t *testing.T) *transferring { return newTransferringWith(t, 0) }

func newTransferringWith(t *testing.T, sealBudget time.Duration) *transferring {
	x := &transferring{t: t, ctx: t.Context()}
	x.c = batontest.Start(t, batontest.Options{
		Nodes: 2, Log: slog.New(slog.NewJSONHandler(&x.log, nil)),
		Node: baton.Options{RingSize: 8, NVal: 1, AdminAddr: "127.0.0.1:0", SealBudget: sealBudget},
	})
	value := bytes.Repeat([]byte{7}, 64<<10)
	for i := range 256 {
		if err := x.c.Node("a").KV().Put(x.ctx, kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if x.api, err = admin.NewClient("http://" + x.c.Node("a").AdminAddr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.api.Close)
	return x
}

// own returns a partition that node a serves and that is neither of these.
func (x *transferring) own(not ...ring.Partition) ring.Partition {
	x.t.Helper()
next:
	for p, part := range x.c.Node("a").View().Parts("kv") {
		for _, o := range not {
			if p == o {
				continue next
			}
		}
		if part.Owner == "a" {
			return p
		}
	}
	x.t.Fatal("node a has nothing to give")
	return 0
}

func (x *transferring) ok(_ any, err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *transferring) rate(n uint64) {
	x.t.Helper()
	x.ok(x.api.ConfigureHandoff(x.ctx, admin.HandoffConfigRequest{Rate: &n}))
}

func (x *transferring) move(p ring.Partition, to string) {
	x.t.Helper()
	x.ok(x.api.Move(x.ctx, admin.MoveRequest{Partition: p, To: ring.NodeID(to)}))
}

// active returns the transfer of kv of a partition once it is as ok wants it.
func (x *transferring) active(p ring.Partition, ok func(admin.Transfer) bool) (found admin.Transfer) {
	x.t.Helper()
	eventually(x.t, func() error {
		all, err := x.api.Transfers(x.ctx)
		if err != nil {
			return err
		}
		for _, t := range all.Active {
			if t.Kind == "kv" && t.Partition == p && ok(t) {
				found = t
				return nil
			}
		}
		return fmt.Errorf("transfers %+v", all)
	})
	return found
}

// owned waits until a node serves kv of a partition, and no transfer is left.
func (x *transferring) owned(p ring.Partition, by ring.NodeID) topology.Part {
	x.t.Helper()
	var part topology.Part
	eventually(x.t, func() error {
		part = x.c.Node("a").View().Part("kv", p)
		if part.Owner != by || part.Transfer != nil {
			return fmt.Errorf("kv/%d: %+v", p, part)
		}
		return nil
	})
	return part
}

func (x *transferring) pending(p ring.Partition) string {
	x.t.Helper()
	h, err := x.api.Handoff(x.ctx)
	x.ok(h, err)
	for _, w := range h.Pending {
		if w.Kind == "kv" && w.Partition == p {
			return w.WaitsFor
		}
	}
	return ""
}

// TestHandoff_rateAndCancel: a transfer goes at the node's rate and says so; cancelled, it leaves the
// partition where it was; it follows another rate while it runs; and the log tells each step.
func TestHandoff_rateAndCancel(t *testing.T) {
	x := newTransferring(t)
	x.rate(topology.MinTransferRate)
	held := func(tr admin.Transfer) bool { return tr.WaitsFor == "rate limit of a" }

	p := x.own()
	x.move(p, "b")
	tr := x.active(p, held)
	if tr.Percent == nil || *tr.Percent >= 100 || tr.ETA == nil || tr.ByteRate == 0 {
		t.Errorf("progress %+v", tr)
	}
	done, err := x.api.CancelHandoff(x.ctx, admin.HandoffCancelRequest{Session: tr.Session})
	if err != nil || !done.Changed || done.Note == "" {
		t.Fatalf("cancel: %+v, %v", done, err)
	}
	if part := x.owned(p, "a"); part.LastReason != topology.ReasonCancelled || part.LastSession != tr.Session {
		t.Errorf("the cancelled partition is %+v", part)
	}
	if why := x.pending(p); !strings.Contains(why, "cancelled") {
		t.Errorf("it waits for %q", why)
	}
	x.move(p, "a")

	q := x.own(p)
	x.move(q, "b")
	x.active(q, held)
	x.rate(0)
	x.owned(q, "b")
	eventually(t, func() error { // the last line comes after the record's last step
		if len(x.log.of(t, "handoff deleted", "a", q)) == 0 {
			return fmt.Errorf("partition %d is not deleted", q)
		}
		return nil
	})
	for _, want := range []struct {
		message, node string
		p             ring.Partition
		keys          []string
	}{
		{"handoff starting", "a", p, []string{"session", "target", "type"}},
		{"handoff cancelled", "a", p, []string{"session", "target", "reason"}},
		{"handoff starting", "a", q, []string{"session", "target", "type"}},
		{"handoff receiving", "b", q, []string{"session", "source"}},
		{"handoff received", "b", q, []string{"session", "source", "items", "bytes", "took", "bytes_per_second"}},
		{"handoff sent", "a", q, []string{"session", "target", "items", "of", "bytes", "took", "bytes_per_second"}},
		{"handoff finished", "a", q, []string{"session", "target", "items", "bytes", "freeze"}},
		{"handoff deleted", "a", q, []string{"session", "owner"}},
	} {
		lines := x.log.of(t, want.message, want.node, want.p)
		if len(lines) != 1 {
			t.Errorf("%s logs %q about partition %d %d times", want.node, want.message, want.p, len(lines))
			continue
		}
		for _, key := range want.keys {
			if lines[0][key] == nil {
				t.Errorf("%q lacks %s: %v", want.message, key, lines[0])
			}
		}
		if want.message == "handoff cancelled" && lines[0]["reason"] != "cancelled" {
			t.Errorf("reason %v", lines[0])
		}
	}
}

// TestHandoff_disable: what is disabled waits and says why, those under way go on unless they are cancelled,
// and enabled again it goes on.
func TestHandoff_disable(t *testing.T) {
	x := newTransferring(t)
	x.rate(topology.MinTransferRate)
	p := x.own()
	x.move(p, "b")
	tr := x.active(p, func(admin.Transfer) bool { return true })
	x.ok(x.api.SwitchHandoff(x.ctx, admin.HandoffSwitchRequest{Node: "a", Kind: "kv", Direction: "outbound"}))
	q := x.own(p)
	x.move(q, "b")
	if why := x.pending(q); why != "a has outbound transfers disabled" {
		t.Errorf("kv/%d waits for %q", q, why)
	}
	if now := x.active(p, func(admin.Transfer) bool { return true }); now.Session != tr.Session || now.Reason != "" {
		t.Errorf("the transfer under way became %+v", now)
	}
	done, err := x.api.SwitchHandoff(x.ctx, admin.HandoffSwitchRequest{Node: "a", Kind: "kv", Direction: "outbound", Cancel: true})
	if err != nil || len(done.Cancelled) != 1 || done.Cancelled[0] != tr.Session {
		t.Errorf("disabled with cancel: %+v, %v", done, err)
	}
	x.owned(p, "a")
	x.move(p, "a")
	x.rate(0)
	x.ok(x.api.SwitchHandoff(x.ctx, admin.HandoffSwitchRequest{Direction: "both", On: true}))
	x.owned(q, "b")
}

// TestHandoff_sealStuck: a partition that stays frozen because the target can't reach the record is an alarm,
// is logged once, and can be cancelled.
func TestHandoff_sealStuck(t *testing.T) {
	x := newTransferringWith(t, time.Hour)
	p, tr := x.stuck()
	eventually(t, func() error {
		s, err := x.api.Status(x.ctx)
		if err != nil || len(s.Alarms) != 1 || s.Alarms[0].Code != "seal_stuck" || !strings.Contains(s.Alarms[0].Text, fmt.Sprintf("cancel %d", tr.Session)) {
			return fmt.Errorf("alarms %+v, %w", s.Alarms, err)
		}
		if len(x.log.of(t, "handoff seal stuck", "a", p)) != 1 {
			return fmt.Errorf("no line about partition %d", p)
		}
		return nil
	})
	x.ok(x.api.CancelHandoff(x.ctx, admin.HandoffCancelRequest{Session: tr.Session}))
	x.owned(p, "a")
	if s, err := x.api.Status(x.ctx); err != nil || len(s.Alarms) > 0 {
		t.Errorf("after the cancellation: %+v, %v", s.Alarms, err)
	}
	x.move(p, "a")
}

// stuck moves a partition to b, which can't report that it has sealed its copy.
func (x *transferring) stuck() (ring.Partition, admin.Transfer) {
	x.t.Helper()
	x.rate(topology.MinTransferRate)
	x.ok(x.api.SwitchHandoff(x.ctx, admin.HandoffSwitchRequest{Kind: "pipe", Direction: "both"})) // or it may be stuck too
	p := x.own()
	x.move(p, "b")
	tr := x.active(p, func(tr admin.Transfer) bool { return tr.Stage == "fold" && tr.Items > 0 })
	x.c.CutRecord("b")
	x.t.Cleanup(func() { x.c.HealRecord("b") })
	x.rate(0)
	return p, tr
}

// TestHandoff_sealBudget: nobody has to cancel it: the coordinator gives it up, the source serves, and when
// the target reaches the record again the partition moves after all.
func TestHandoff_sealBudget(t *testing.T) {
	x := newTransferringWith(t, time.Second)
	p, tr := x.stuck()
	eventually(t, func() error {
		part := x.c.Node("a").View().Part("kv", p)
		if part.LastReason != topology.ReasonSealBudget || part.Owner != "a" {
			return fmt.Errorf("session %d: %+v", tr.Session, part)
		}
		return nil
	})
	for i := range 64 {
		if err := x.c.Node("a").KV().Put(x.ctx, kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("after the freeze")}); err != nil {
			t.Fatal(err)
		}
	}
	x.c.HealRecord("b")
	x.owned(p, "b")
}

// TestHandoff_disableHints: a fallback hands nothing back to a node whose inbound transfers are disabled, and
// does so when they are enabled.
func TestHandoff_disableHints(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 3, Node: baton.Options{RingSize: 8, AdminAddr: "127.0.0.1:0"}})
	a := c.Node("a")
	api, err := admin.NewClient("http://" + a.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	inbound := admin.HandoffSwitchRequest{Node: "c", Kind: "kv", Direction: "inbound"}
	if _, err := api.SwitchHandoff(t.Context(), inbound); err != nil {
		t.Fatal(err)
	}
	c.Cut("a", "c")
	c.Cut("b", "c")
	for i := range 16 {
		put := kv.Put{Object: kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("v")}}
		if _, err := a.KV().Write(t.Context(), put); err != nil {
			t.Fatalf("put %d: %v", i, err)
		}
	}
	hints := func() int { return len(slices.Collect(a.View().AllHints())) }
	until(t, "a hint", func() bool { return hints() > 0 })
	kept := hints()
	shown, err := api.Hints(t.Context())
	if err != nil || len(shown.Hints) == 0 {
		t.Fatal(shown, err)
	}
	for _, h := range shown.Hints {
		if h.Owner != "c" || (h.Kept != nil) != (h.Node == "a") || h.Kept != nil && (h.Kept.Items == 0 || h.Kept.Bytes == 0) {
			t.Errorf("a says of a hint: %+v, %+v", h, h.Kept)
		}
	}
	c.HealAll()
	// Hand-backs begin within two seconds; a slow machine can only miss one.
	for end := time.After(4 * time.Second); kept > 0; {
		select {
		case <-end:
			kept = 0
		case <-time.After(20 * time.Millisecond):
			if now := hints(); now < kept {
				t.Fatalf("%d hints became %d while c takes nothing in", kept, now)
			}
		}
	}
	inbound.On = true
	if _, err := api.SwitchHandoff(t.Context(), inbound); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of all hints", func() bool { return hints() == 0 })
}
