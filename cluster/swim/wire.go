package swim

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// The first byte of a connection says what it carries.
const (
	packets byte = 'P'
	stream  byte = 'S'
)

// maxPacket is the longest packet that a frame can hold.
const maxPacket = 1<<16 - 1

// appendMeta appends what a node tells of itself: the incarnation of its process,
// and whether it struggles.
func appendMeta(dst []byte, incarnation uint64, struggling bool) []byte {
	dst = binary.BigEndian.AppendUint64(dst, incarnation)
	if struggling {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// cutMeta undoes appendMeta; ok is false for other bytes.
func cutMeta(meta []byte) (incarnation uint64, struggling, ok bool) {
	if len(meta) != 9 || meta[8] > 1 {
		return 0, false, false
	}
	return binary.BigEndian.Uint64(meta), meta[8] == 1, true
}

// frame puts a packet behind its length, in a buffer of its own.
func frame(packet []byte) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(packet)), uint16(len(packet)))
	return append(b, packet...)
}

// readFrame returns the next packet.
func readFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// pushPull is the type of memberlist's message for an exchange of states.
const pushPull byte = 6

// An exchange of states as it is on memberlist's wire, as far as it is needed.
type (
	pushPullHeader struct {
		Nodes, UserStateLen int
		Join                bool
	}
	nodeState struct {
		Name  string
		Meta  []byte
		State memberlist.NodeStateType
	}
)

// A state is what a memberlist believes of a node, and what the node says itself.
type state struct {
	memberlist.NodeStateType
	struggling bool
}

// askStates asks a memberlist for what it believes of each node, as a peer does
// that knows nobody. It is the only way to see suspicion: the library's own
// calls tell of alive and dead.
func askStates(c net.Conn, label string) (map[string]state, error) {
	if err := memberlist.AddLabelHeaderToStream(c, label); err != nil {
		return nil, err
	}
	handle := &codec.MsgpackHandle{}
	request := []byte{pushPull}
	var head []byte
	if err := codec.NewEncoderBytes(&head, handle).Encode(pushPullHeader{}); err != nil {
		return nil, err
	}
	if _, err := c.Write(append(request, head...)); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	switch kind, err := r.ReadByte(); {
	case err != nil:
		return nil, err
	case kind != pushPull:
		return nil, fmt.Errorf("answer of type %d to an exchange of states", kind)
	}
	dec := codec.NewDecoder(r, handle)
	var answer pushPullHeader
	if err := dec.Decode(&answer); err != nil {
		return nil, err
	}
	states := make(map[string]state)
	for range answer.Nodes {
		var n nodeState
		if err := dec.Decode(&n); err != nil {
			return nil, err
		}
		_, struggling, _ := cutMeta(n.Meta)
		states[n.Name] = state{n.State, struggling}
	}
	return states, nil
}
