package actors_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// TestTransport_handshake wants strangers refused with a typed error on both sides that names both, on links and streams.
func TestTransport_handshake(t *testing.T) {
	theirCluster := [16]byte{0xde, 0xad, 15: 2}
	tests := []struct {
		name   string
		change func(o *actors.TransportOptions, to *actors.Peer)
		want   error
		says   []string // on both sides
	}{
		{
			"other cluster", func(o *actors.TransportOptions, _ *actors.Peer) { o.ClusterID = theirCluster },
			messages.ErrClusterMismatch,
			[]string{hex.EncodeToString(ourCluster[:]), hex.EncodeToString(theirCluster[:])},
		},
		{
			"other version", func(o *actors.TransportOptions, _ *actors.Peer) { o.Version = 7 },
			messages.ErrVersion,
			[]string{"7", "1"},
		},
		{
			"other node", func(_ *actors.TransportOptions, to *actors.Peer) { to.Node = "c" },
			messages.ErrWrongNode,
			[]string{"a/5", "c"},
		},
		{
			"other life", func(_ *actors.TransportOptions, to *actors.Peer) { to.Incarnation = 3 },
			messages.ErrIncarnation,
			[]string{"a/5", "b/4", "3"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conform(t, func(t *testing.T, fb fabric) {
				atA, atB := &recorder{}, &recorder{}
				opts := options("a", 5)
				b := startNode(t, fb, "b", 4, atB)
				to := peerOf(b, "b", 4)
				tt.change(&opts, &to)
				a := startWith(t, fb, opts, atA)

				if err := a.Send(to, request(1)); err != nil {
					t.Fatal(err)
				}
				dialled := atA.waitLink(t, "refusal at the dialling side", down)
				accepted := atB.waitLink(t, "refusal at the accepting side", func(e actors.LinkEvent) bool { return e.Inbound && !e.Up })
				checkRefusal(t, "link, dialling side", dialled.Err, tt.want, tt.says)
				checkRefusal(t, "link, accepting side", accepted.Err, tt.want, tt.says)
				if accepted.Peer.Node != "a" || dialled.Dropped != 1 {
					t.Errorf("told %+v and %+v", accepted, dialled)
				}

				_, err := a.OpenStream(t.Context(), to)
				checkRefusal(t, "stream", err, tt.want, tt.says)
				if sa, sb := a.Stats(), b.Stats(); sa.Refused != 2 || sb.Refused != 2 || sb.FramesReceived != 0 {
					t.Errorf("counted %+v and %+v, want 2 refusals each", sa, sb)
				}
			})
		})
	}
}

func checkRefusal(t *testing.T, where string, err, want error, says []string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", where, err, want)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: %q doesn't name %s", where, err, s)
		}
	}
}

// TestTransport_handshake_secondProcess refuses the older of two processes that run as one node.
func TestTransport_handshake_secondProcess(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got, seen := &recorder{}, &recorder{}
		to := peerOf(startNode(t, fb, "b", 1, got), "b", 1)
		opts := options("a", 2)
		opts.Addr = addrFor(fb, "a2")
		if err := startWith(t, fb, opts, &recorder{}).Send(to, request(1)); err != nil {
			t.Fatal(err)
		}
		got.waitFrames(t, 1)
		opts.Incarnation, opts.Addr = 1, addrFor(fb, "a1")
		if err := startWith(t, fb, opts, seen).Send(to, request(2)); err != nil {
			t.Fatal(err)
		}
		if e := seen.waitLink(t, "refusal", down); !errors.Is(e.Err, messages.ErrIncarnation) {
			t.Errorf("told %+v, want ErrIncarnation", e)
		}
	})
}
