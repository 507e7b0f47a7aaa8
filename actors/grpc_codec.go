package actors

import (
	"bytes"
	"fmt"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/dee2748c/baton/messages"
)

const (
	// packSize is how many bytes of small frames go into one gRPC message, which spreads its cost over them.
	packSize = 64 << 10
	// inlineSize is the largest payload that is copied beside its header; a larger one travels as a buffer of its own.
	inlineSize = 4 << 10
	// maxMessageSize bounds a gRPC message: small frames, then at most one large one.
	maxMessageSize = messages.MaxFrameSize + packSize + inlineSize
)

// outMessage is one gRPC message on its way out: frames one after the other, in one or several buffers.
type outMessage struct{ segments mem.BufferSlice }

// inMessage is one gRPC message that arrived, in a buffer that belongs to whoever reads it.
type inMessage struct {
	bytes []byte
	parts [][]byte
}

// frameCodec hands byte buffers to gRPC and takes them from it. Nothing is marshalled.
type frameCodec struct{}

// Name is the content subtype of the streams.
func (frameCodec) Name() string { return "baton-frames" }

// Marshal passes the buffers on. gRPC frees them when they are written.
func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*outMessage)
	if !ok {
		return nil, fmt.Errorf("encode %T: %w", v, messages.ErrInvalid)
	}
	return m.segments, nil
}

// Unmarshal copies the message into one fresh buffer. gRPC's own buffers are pieces of 16 KiB and are used again, while
// payloads have no end of life that anybody could announce: a store may keep them.
func (frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*inMessage)
	if !ok {
		return fmt.Errorf("decode %T: %w", v, messages.ErrInvalid)
	}
	m.parts = m.parts[:0]
	for _, b := range data {
		m.parts = append(m.parts, b.ReadOnlyData())
	}
	// Unlike make and copy, Join does not clear the buffer first.
	m.bytes = bytes.Join(m.parts, nil)
	clear(m.parts)
	return nil
}

// packPool keeps the buffers that small frames are packed into.
type packPool struct{ pool sync.Pool }

// packs is shared by all connections; it holds memory and no state.
var packs = &packPool{pool: sync.Pool{New: func() any {
	b := make([]byte, 0, packSize+inlineSize+messages.MaxHeaderSize)
	return &b
}}}

// Get returns a buffer of the pool's one size; length is part of mem.BufferPool and not asked for here.
func (p *packPool) Get(int) *[]byte { return p.pool.Get().(*[]byte) }

// Put takes a buffer back.
func (p *packPool) Put(b *[]byte) {
	*b = (*b)[:0]
	p.pool.Put(b)
}

// pack makes one gRPC message of the first frames and returns how many it holds. It takes frames until packSize is
// reached, and ends after the first large one, whose payload it does not copy.
func pack(frames []messages.Frame) (*outMessage, int, error) {
	if large(&frames[0]) {
		m, err := single(&frames[0])
		return m, 1, err
	}
	buf := packs.Get(0)
	for n := range frames {
		f := &frames[n]
		var err error
		*buf, err = messages.AppendHeader(*buf, f)
		switch {
		case err != nil:
			packs.Put(buf)
			return nil, 0, err
		case large(f):
			return &outMessage{mem.BufferSlice{mem.NewBuffer(buf, packs), mem.SliceBuffer(f.Payload)}}, n + 1, nil
		}
		*buf = append(*buf, f.Payload...)
		if len(*buf) >= packSize {
			return &outMessage{mem.BufferSlice{mem.NewBuffer(buf, packs)}}, n + 1, nil
		}
	}
	return &outMessage{mem.BufferSlice{mem.NewBuffer(buf, packs)}}, len(frames), nil
}

// single makes one gRPC message of one frame, without copying its payload.
func single(f *messages.Frame) (*outMessage, error) {
	head, err := messages.AppendHeader(make([]byte, 0, f.Size()-len(f.Payload)), f)
	if err != nil {
		return nil, err
	}
	return &outMessage{mem.BufferSlice{mem.SliceBuffer(head), mem.SliceBuffer(f.Payload)}}, nil
}

func large(f *messages.Frame) bool { return len(f.Payload) > inlineSize }
