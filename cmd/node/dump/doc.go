// Package dump is the form in which objects travel between clusters: JSON lines
// for people and other programs, or binary records, which are smaller.
//
//	objects -> NewWriter.Write ... Close -> file -> NewReader.Next -> objects
//
// JSON lines:
//
//	{"baton_export":1}
//	{"bucket":"users","key":"ada","contents":[{"value":"QWRh"}]}    an admin.Object
//	{"end":{"objects":1,"sha256":"..."}}                            of all lines before
//
// Binary:
//
//	"batonexp" 01
//	{ uvarint length, record }...
//	00  uvarint objects  32 bytes SHA-256 of all bytes before the 00
//	record: { uvarint length, name }... type, bucket, key; then the stored form
//
// Invariants:
//
//	I1  what was written is read back: names, values, siblings, metadata, links, indexes, times
//	I2  io.EOF means that the end was there and the sum is right; anything else is an error
//	I3  no input makes a Reader panic or take more memory than one object may have
package dump
