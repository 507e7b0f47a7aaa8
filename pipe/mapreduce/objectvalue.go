package mapreduce

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"github.com/dee2748c/baton/kv"
)

// ObjectValue returns an object as functions in other languages see it, and as
// JSON shows it:
//
//	{"bucket_type", "bucket", "key", "vclock", "values": [{"metadata": {...}, "data"}, ...]}
//
// One that was not found is a query.NotFound.
func ObjectValue(o Object) any {
	if !o.Found {
		return o.NotFound()
	}
	bucketType := o.Type
	if bucketType == "" {
		bucketType = "default"
	}
	contents := o.Contents()
	values := make([]any, len(contents))
	for i := range contents {
		values[i] = map[string]any{"metadata": Metadata(&o, &contents[i]), "data": Text(contents[i].Value)}
	}
	return map[string]any{
		"bucket_type": bucketType, "bucket": o.Bucket, "key": o.Key, "vclock": base64.StdEncoding.EncodeToString([]byte(o.Context)), "values": values,
	}
}

// Metadata returns what is said about one of the values of an object.
func Metadata(o *Object, c *kv.Content) map[string]any {
	links := make([]any, len(c.Links))
	for j, l := range c.Links {
		links[j] = []any{l.Bucket, l.Key, l.Tag}
	}
	meta, index := make(map[string]any, len(c.Meta)), make(map[string]any, len(c.Indexes))
	for _, a := range c.Meta {
		meta["X-Riak-Meta-"+a.Name] = a.Value
	}
	for j := range c.Indexes {
		name := c.Indexes[j].FullName()
		list, _ := index[name].([]any)
		entry := any(c.Indexes[j].Bin)
		if c.Indexes[j].Kind == kv.IntIndex {
			entry = c.Indexes[j].Int
		}
		index[name] = append(list, entry)
	}
	m := map[string]any{
		"X-Riak-VTag": o.ETag(), "content-type": c.ContentType, "Links": links, "X-Riak-Meta": meta, "index": index,
	}
	if !c.Modified.IsZero() {
		m["X-Riak-Last-Modified"] = c.Modified.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
	for name, v := range map[string]string{"charset": c.Charset, "content-encoding": c.Encoding} {
		if v != "" {
			m[name] = v
		}
	}
	if c.Deleted {
		m["X-Riak-Deleted"] = "true"
	}
	return m
}

// Text returns bytes as text, in which what is not UTF-8 is replaced. It shares
// the bytes if it can.
func Text(b []byte) string {
	if utf8.Valid(b) {
		return view(b)
	}
	return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
}
