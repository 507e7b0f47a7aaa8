// Package kv is the meaning of a key and its value: the object, its bytes on
// disk and on the wire, and the vnode kind that keeps objects in a partition's
// store. It holds one copy of each object.
//
// An object is named by bucket type, bucket and key. The name decides twice:
// its hash says which partition holds it (Route), and its store key says where
// in that partition it lies (AppendKey), so that the objects of a bucket stand
// together, in key order, and a fold over a bucket is one range scan.
//
//	client                                      partition
//	  Put  --EncodeRequest--> body -----------> HandleCommand: one atomic batch
//	       <--Put.DecodeReply-- reply <-------- ok | a code with its text
//	  List --EncodeRequest--> body -----------> scan from After, one page
//	       <--List.DecodeReply- Page <--------- objects, more
//
//	fold:  Snapshot --Scanner--> item, item, ... --pipe--> DecodeItem --> map function
//
// A put stores the very bytes that the client encoded, a get returns them, and
// a fold passes them on: between the client's encoder and the reader's decoder
// nobody takes an object apart except to check it once, when it is put.
//
//	req := kv.Put{Object: kv.Object{Bucket: "books", Key: "moby", Value: text}}
//	body, err := kv.EncodeRequest(req)
//	...                                // to the partition kv.Route("", "books", "moby", q)
//	err = req.DecodeReply(reply)       // errors.Is(err, kv.ErrTooLarge), ...
//
// Decoding copies nothing: the strings and slices of a decoded object are parts
// of the buffer it came in, which is immutable.
//
// Invariants:
//
//   - I1 Store keys compare as (type, bucket, key) do, and decode to exactly them.
//   - I2 The range of a bucket holds the bucket's objects and no other record.
//   - I3 Equal objects have equal bytes; what decodes encodes to the bytes it came from.
//   - I4 A refused request changes nothing, and its error is the same value on both sides.
//   - I5 Pages and scans yield each object once, in key order, from any cursor on.
//   - I6 A vnode keeps nothing outside its store, so that a handoff moves all there is.
package kv
