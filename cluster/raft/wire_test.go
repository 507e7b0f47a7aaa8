package raft

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
)

var answers = []response{
	{code: codeOK, server: "n1/1", places: []place{{"n1/1", "n1:1", 4}, {"n2/2", "n2:1", 1}}, leader: "n2/2", addr: "n2:1", index: 1 << 40, member: true, same: true},
	{code: codeNotLeader, text: "not the leader", leader: "n2/2", addr: "n2:1"},
	{code: codeOK, outcomes: []topology.Outcome{
		{Code: topology.CodeApplied, Version: 3, Session: 4, Stage: topology.StageFold, Epoch: 5, Incarnation: 6, Term: 7},
		{Code: topology.CodeInvalid, Err: &topology.Error{Code: topology.CodeInvalid, Text: "why"}},
	}},
}

var compare = cmp.AllowUnexported(request{}, response{}, place{})

func TestResponse_roundTrip(t *testing.T) {
	for _, want := range answers {
		got, err := decodeResponse(want.encode())
		if diff := cmp.Diff(want, got, compare); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

// A record goes in chunks, and its receiver gets it whole.
func TestResponse_chunks(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	want := response{code: codeOK, record: bytes.Repeat([]byte("record"), chunkSize/2)}
	sent := make(chan error, 1)
	go func() { sent <- sendResponse(a, want, time.Minute) }()
	got, err := receiveResponse(b, time.Minute)
	if err = errors.Join(err, <-sent); err != nil || !bytes.Equal(got.record, want.record) {
		t.Errorf("%d bytes of %d, %v", len(got.record), len(want.record), err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(byte(askPropose), request{asker: place{"n1/1", "n1:1", 3}, budget: time.Second, batch: []byte("batch")}.encode())
	f.Add(byte(askRecord), request{asker: place{server: "n1/1"}, known: 1 << 50, relay: true}.encode())
	f.Add(byte(9), []byte{255, 255, 255})
	f.Fuzz(func(t *testing.T, k byte, b []byte) {
		r, err := decodeRequest(kind(k), b)
		if err != nil {
			if !errors.Is(err, errProtocol) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeRequest(r.kind, r.encode())
		if diff := cmp.Diff(r.encode(), again.encode()); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, r := range answers {
		f.Add(r.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeResponse(b)
		if err != nil {
			if !errors.Is(err, errProtocol) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeResponse(r.encode())
		if diff := cmp.Diff(r, again, compare); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{wireVersion, byte(answer), 0, 0, 0, 1, 7})
	f.Add([]byte{wireVersion, byte(answer), 255, 255, 255, 255})
	f.Add([]byte{2, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, body, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeFrame(&out, k, body); err != nil || !bytes.Equal(out.Bytes(), b[:out.Len()]) {
			t.Fatalf("%v: %x, want %x", err, out.Bytes(), b)
		}
	})
}
