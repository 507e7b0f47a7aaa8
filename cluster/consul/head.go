package consul

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

const (
	headFormat = 1
	// maxBytes is how much all values of one Txn may hold, and so also one entry and one chunk: a
	// request is limited to 512 KiB, in which values stand in base64.
	maxBytes = 368 << 10
	// maxInflated bounds what a compressed value may become.
	maxInflated = 256 << 20
	// deflateFrom is the size from which an entry is worth compressing.
	deflateFrom = 4 << 10
)

// A head is the value of the head key: the end of the log.
type head struct {
	Format int `json:"format"`
	// Log is the log's random name; Restore begins another log.
	Log string `json:"log"`
	// Cluster is the cluster's id in hexadecimal, or empty while the record is.
	Cluster string `json:"cluster"`
	// Index is that of the last entry, from 1, and Version the record's after it.
	Index    uint64    `json:"index"`
	Version  uint64    `json:"version"`
	Snapshot *snapshot `json:"snapshot,omitempty"`
}

// A snapshot names the chunks that hold the record as it is after the entry Index.
type snapshot struct {
	Name   string `json:"name"`
	Index  uint64 `json:"index"`
	Chunks int    `json:"chunks"`
}

func (h *head) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // the struct has nothing that json refuses
	}
	return b
}

func decodeHead(b []byte) (*head, error) {
	var h head
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, fmt.Errorf("decode the log's head: %w: %w", topology.ErrDamaged, err)
	}
	if h.Format != headFormat {
		return nil, fmt.Errorf("decode the log's head of format %d, this build reads %d: %w", h.Format, headFormat, topology.ErrFormat)
	}
	s := h.Snapshot
	if h.Log == "" || h.Index == 0 || s != nil && (s.Index > h.Index || s.Chunks < 1) {
		return nil, fmt.Errorf("decode the log's head: %w", topology.ErrDamaged)
	}
	return &h, nil
}

// An entry's first byte says how the rest is encoded.
const (
	entryPlain    = 0
	entryDeflated = 1
)

// encodeEntry returns the log form of one proposal.
func encodeEntry(cmds []topology.Command) ([]byte, error) {
	b, err := cluster.AppendBatch([]byte{entryPlain}, cmds)
	if err != nil {
		return nil, err
	}
	if len(b) >= deflateFrom {
		if packed := deflate([]byte{entryDeflated}, b[1:]); len(packed) < len(b) {
			b = packed
		}
	}
	if len(b) > maxBytes {
		return nil, fmt.Errorf("encode a proposal of %d commands, %d bytes compressed, the limit is %d: %w", len(cmds), len(b), maxBytes, cluster.ErrBatch)
	}
	return b, nil
}

func decodeEntry(b []byte) ([]topology.Command, error) {
	if len(b) == 0 || b[0] > entryDeflated {
		return nil, fmt.Errorf("decode a log entry: %w", topology.ErrFormat)
	}
	body := b[1:]
	if b[0] == entryDeflated {
		var err error
		if body, err = inflate(body); err != nil {
			return nil, fmt.Errorf("decode a log entry: %w", err)
		}
	}
	return cluster.DecodeBatch(body)
}

// deflate appends the compressed form of b to dst.
func deflate(dst, b []byte) []byte {
	buf := bytes.NewBuffer(dst)
	w, err := flate.NewWriter(buf, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // the level is valid, and a buffer takes everything
	}
	return buf.Bytes()
}

func inflate(b []byte) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxInflated+1))
	if err != nil || len(out) > maxInflated {
		return nil, fmt.Errorf("inflate %d bytes: %w", len(b), topology.ErrDamaged)
	}
	return out, nil
}
