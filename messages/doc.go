// Package messages is the vocabulary that nodes share: the frame that carries everything, the control messages, and the
// errors that cross the wire.
//
// A frame is a fixed binary header and a payload. The header holds what routing and fencing ask about, so a node drops,
// forwards or queues a frame without reading the payload. Data payloads are raw bytes that the sender's buffer and the
// receiver's buffer hold as they are; control payloads are protobuf, chosen by the frame's type:
//
//	sender                                              receiver
//	Frame -> AppendHeader + payload, uncopied -> wire -> ParseFrame (payload aliases) -> Decode[Fin](f.Payload)
//	error -> (*Frame).Fail or ErrorOf         -> wire -> (*Frame).Err or (*Error).Err  -> errors.Is(err, ErrFrozen)
//
// A stream begins with Hello and HelloReply, which name the protocol version, the cluster and both nodes' lives; nothing
// else is read from a peer that differs.
//
// A request and its answer:
//
//	req := messages.Frame{Header: messages.Header{Type: messages.TypeRequest, Kind: "kv", Partition: 7, Seq: 42}, Payload: command}
//	...
//	ans := messages.Frame{Header: messages.Header{Type: messages.TypeResponse, Seq: req.Seq}}
//	ans.Fail(&messages.Error{Code: uint32(messages.CodeFrozen), RetryAfterMs: 20})
//
// The *.pb.go files are made from the *.proto files by tools/protogen and committed. Files register as messages/x.proto.
//
// Invariants:
//
//	I1 ParseFrame and every decoder answer any bytes with a value or a typed error, and never panic.
//	I2 The encoding is canonical: what ParseFrame accepts, AppendFrame writes again byte for byte.
//	I3 A bit flipped anywhere in a frame is found.
//	I4 After ErrUnknownType the frame's length is good, so a reader steps over it; after any other error it must stop.
//	I5 Every code but CodeOK has a sentinel, and ErrorOf and Err are inverse on sentinels, codes and fields.
//	I6 Numbers of types, codes and fields are never used again for something else.
package messages
