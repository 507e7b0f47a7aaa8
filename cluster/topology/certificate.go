package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// A CertificateHash is the first half of the SHA-256 of a certificate's encoding. The zero hash is that of
// no certificate.
type CertificateHash [16]byte

// String returns the hash as 32 hexadecimal digits.
func (h CertificateHash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the digits of String.
func (h CertificateHash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText returns. The error is ErrInvalid.
func (h *CertificateHash) UnmarshalText(text []byte) error { return unhex(h[:], text) }

// unhex fills dst by hexadecimal digits.
func unhex(dst, text []byte) error {
	if hex.DecodedLen(len(text)) != len(dst) {
		return fmt.Errorf("%d hexadecimal digits, not %d: %w", len(text), 2*len(dst), ErrInvalid)
	}
	if _, err := hex.Decode(dst, text); err != nil {
		return fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	return nil
}

// A Certificate is what remains of a completed transfer: who gave what to whom, and that both sides
// counted the same. The certificates of a partition of a kind are a chain: each has the hash of the one
// before, so that none can be missing or altered unnoticed.
type Certificate struct {
	// Number is the certificate's place in its chain, from 1.
	Number uint64
	// Previous is the hash of the certificate before, zero in the first.
	Previous     CertificateHash
	Session      uint64
	Type         TransferType
	Kind         Kind
	Partition    ring.Partition
	Source       ring.NodeID
	Target       ring.NodeID
	EpochBefore  uint64
	EpochAfter   uint64
	LastSeq      uint64
	Items        uint64
	Bytes        uint64
	SourceDigest Digest
	TargetDigest Digest
	// FreezeMicros is the time from the source's freeze to the flip as it applied it, in microseconds, as
	// reported; 0 when a process that ended in between did not see both.
	FreezeMicros uint64
	// SourceFenced and TargetFenced are the reported numbers of frames that the vnodes of the partition
	// turned away on either side since the session was opened, as they came too late.
	SourceFenced uint64
	TargetFenced uint64
}

// Closing returns the certificate that the part's transfer leaves when it closes, or nil if that is not in
// StageClean. Nothing changes it any more.
func (x Part) Closing() *Certificate {
	if x.Transfer == nil || x.Transfer.Stage != StageClean {
		return nil
	}
	return certify(*x.Transfer, x.Epoch, x.Certificate)
}

func certify(t Transfer, epoch uint64, before *Certificate) *Certificate {
	c := &Certificate{
		Number: 1, Session: t.Session, Type: t.Type, Kind: t.Kind, Partition: t.Partition,
		Source: t.Source, Target: t.Target, EpochBefore: t.Epoch, EpochAfter: epoch,
		LastSeq: t.Frozen.LastSeq, Items: t.Frozen.Items, Bytes: t.Frozen.Bytes,
		SourceDigest: t.Frozen.Digest, TargetDigest: t.Sealed.Digest,
		FreezeMicros: t.FreezeMicros, SourceFenced: t.SourceFenced, TargetFenced: t.TargetFenced,
	}
	if before != nil {
		c.Number, c.Previous = before.Number+1, before.Hash()
	}
	return c
}

// Follows returns why a certificate can't be the next one after another of its chain, nil if it can. A nil
// before is the beginning of the chain.
func (c *Certificate) Follows(before *Certificate) error {
	switch {
	case before == nil && (c.Number != 1 || c.Previous != CertificateHash{}):
		return fmt.Errorf("it is number %d and names %s before it", c.Number, c.Previous)
	case before == nil:
		return nil
	case c.Number != before.Number+1:
		return fmt.Errorf("number %d comes after number %d", c.Number, before.Number)
	case c.Previous != before.Hash():
		return fmt.Errorf("it names %s before it, session %d has %s", c.Previous, before.Session, before.Hash())
	case c.Session <= before.Session:
		return fmt.Errorf("session %d comes after session %d", c.Session, before.Session)
	case c.EpochBefore < before.EpochAfter:
		return fmt.Errorf("it begins at epoch %d, session %d ended at %d", c.EpochBefore, before.Session, before.EpochAfter)
	}
	return nil
}

// Check returns what is wrong with a certificate by itself, nil if nothing is.
func (c *Certificate) Check() error {
	switch {
	case c.Number == 0 || c.Session == 0:
		return errors.New("it has no number or no session")
	case c.SourceDigest != c.TargetDigest:
		return fmt.Errorf("digest %s at the source, %s at the target", c.SourceDigest, c.TargetDigest)
	case c.Type == Swap && c.EpochAfter <= c.EpochBefore:
		return fmt.Errorf("epoch %d before, %d after", c.EpochBefore, c.EpochAfter)
	}
	return nil
}

// certificateFormat is the version of the encoding, which hashes are made of.
const certificateFormat = 1

// AppendBinary appends the certificate's encoding; equal certificates have equal ones. The error is
// ErrInvalid for texts that are too long.
func (c *Certificate) AppendBinary(b []byte) ([]byte, error) {
	w := &writer{b: append(b, certificateFormat)}
	w.u64(c.Number)
	w.b = append(w.b, c.Previous[:]...)
	w.u64(c.Session)
	w.byte(byte(c.Type))
	w.str(c.Kind)
	w.u64(uint64(c.Partition))
	w.str(string(c.Source))
	w.str(string(c.Target))
	for _, v := range c.figures() {
		w.u64(*v)
	}
	w.b = append(append(w.b, c.SourceDigest[:]...), c.TargetDigest[:]...)
	return w.b, w.err
}

// figures are the numbers at the end of the encoding, in order.
func (c *Certificate) figures() []*uint64 {
	return []*uint64{&c.EpochBefore, &c.EpochAfter, &c.LastSeq, &c.Items, &c.Bytes, &c.FreezeMicros, &c.SourceFenced, &c.TargetFenced}
}

// DecodeCertificate decodes exactly what AppendBinary encodes. The error is ErrDamaged, or ErrFormat for
// another version.
func DecodeCertificate(b []byte) (*Certificate, error) {
	if len(b) == 0 || b[0] != certificateFormat {
		return nil, fmt.Errorf("decode certificate of %d bytes: %w", len(b), ErrFormat)
	}
	r := &reader{b: b, off: 1, names: map[string]string{}}
	c := &Certificate{Number: r.u64()}
	copy(c.Previous[:], r.bytes(len(c.Previous)))
	c.Session, c.Type, c.Kind, c.Partition = r.u64(), r.transferType(), r.str(), r.partition()
	c.Source, c.Target = ring.NodeID(r.str()), ring.NodeID(r.str())
	for _, v := range c.figures() {
		*v = r.u64()
	}
	c.SourceDigest, c.TargetDigest = r.digest(), r.digest()
	return c, r.end("certificate")
}

// Hash returns the hash of the certificate's encoding.
func (c *Certificate) Hash() (h CertificateHash) {
	// Of a certificate that Apply made, whose texts are in bounds.
	b, _ := c.AppendBinary(nil)
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}
