package admin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/dee2748c/baton/kv"
)

// Text is a byte string in JSON: a string where that gives the same bytes back,
// else {"base64": "..."}.
type Text string

// MarshalJSON implements json.Marshaler. What it returns may stand in a header.
func (t Text) MarshalJSON() ([]byte, error) {
	if t.plain() {
		return json.Marshal(string(t))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(t)})
}

func (t Text) plain() bool {
	for i := range len(t) {
		if t[i] == 0x7f { // JSON leaves it alone, a header does not
			return false
		}
	}
	return utf8.ValidString(string(t))
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New(`text is not UTF-8: give it as {"base64": "..."}`)
	}
	if len(b) > 0 && b[0] == '{' {
		var coded struct {
			Base64 *string `json:"base64"`
		}
		if err := json.Unmarshal(b, &coded); err != nil || coded.Base64 == nil {
			return errors.New(`text is neither a string nor {"base64": "..."}`)
		}
		raw, err := base64.StdEncoding.DecodeString(*coded.Base64)
		*t = Text(raw)
		return err
	}
	var s string
	err := json.Unmarshal(b, &s)
	*t = Text(s)
	return err
}

// Object is an object in JSON: the answer to a read of one with siblings, a
// line of a listing with values, and, without name and values, the header
// HeaderObject.
type Object struct {
	Type   Text `json:"type,omitempty"` // empty is the default type
	Bucket Text `json:"bucket,omitempty"`
	Key    Text `json:"key,omitempty"`
	// Context stands for what was read.
	Context []byte `json:"context,omitempty"`
	// Contents are the siblings, newest first.
	Contents []Content `json:"contents,omitempty"`
}

// Content is one value of an object.
type Content struct {
	ContentType Text        `json:"content_type,omitempty"`
	Encoding    Text        `json:"encoding,omitempty"`
	Charset     Text        `json:"charset,omitempty"`
	Meta        []Attribute `json:"meta,omitempty"`
	Links       []Link      `json:"links,omitempty"`
	Indexes     []Index     `json:"indexes,omitempty"`
	Modified    time.Time   `json:"modified,omitzero"`
	Deleted     bool        `json:"deleted,omitempty"`
	Value       []byte      `json:"value,omitempty"`
	// Size is that of a value which was left out, in bytes.
	Size int `json:"size,omitempty"`
}

// Attribute is one pair of user metadata.
type Attribute struct {
	Name  Text `json:"name"`
	Value Text `json:"value"`
}

// Link names another object of the same type.
type Link struct {
	Bucket Text `json:"bucket"`
	Key    Text `json:"key"`
	Tag    Text `json:"tag,omitempty"`
}

// Index is one entry of a secondary index: exactly one of Int and Bin is set.
type Index struct {
	Name Text   `json:"name"`
	Int  *int64 `json:"int,omitempty"`
	Bin  *Text  `json:"bin,omitempty"`
}

// HeaderObject carries, as JSON, what belongs to an object beside its value.
const HeaderObject = "X-Baton-Object"

// NewObject returns the JSON form of an object, sharing its bytes.
func NewObject(o kv.Object) Object {
	out := Object{Bucket: Text(o.Bucket), Key: Text(o.Key), Context: []byte(o.Context)}
	if o.Type != kv.DefaultType {
		out.Type = Text(o.Type)
	}
	for _, c := range o.Contents() {
		out.Contents = append(out.Contents, newContent(c))
	}
	return out
}

func newContent(c kv.Content) Content {
	out := Content{
		ContentType: Text(c.ContentType), Encoding: Text(c.Encoding), Charset: Text(c.Charset),
		Modified: c.Modified, Deleted: c.Deleted, Value: c.Value,
	}
	for _, a := range c.Meta {
		out.Meta = append(out.Meta, Attribute{Text(a.Name), Text(a.Value)})
	}
	for _, l := range c.Links {
		out.Links = append(out.Links, Link{Text(l.Bucket), Text(l.Key), Text(l.Tag)})
	}
	for _, i := range c.Indexes {
		e := Index{Name: Text(i.Name)}
		if i.Kind == kv.IntIndex {
			e.Int = &i.Int
		} else {
			bin := Text(i.Bin)
			e.Bin = &bin
		}
		out.Indexes = append(out.Indexes, e)
	}
	return out
}

// headed is o without its name and its values.
func (o Object) headed() Object {
	o.Type, o.Bucket, o.Key = "", "", ""
	return o.Head()
}

// Head returns o with the sizes of its values in their place.
func (o Object) Head() Object {
	contents := make([]Content, len(o.Contents))
	for i, c := range o.Contents {
		c.Value, c.Size = nil, len(c.Value)
		contents[i] = c
	}
	o.Contents = contents
	return o
}

// KV returns the object that o describes, sharing its bytes. It fails with
// ErrRequest for an index entry that is neither or both of number and string.
func (o Object) KV() (kv.Object, error) {
	out := kv.Object{Type: string(o.Type), Bucket: string(o.Bucket), Key: string(o.Key), Context: kv.Context(o.Context)}
	for i, c := range o.Contents {
		content, err := c.KV()
		if err != nil {
			return kv.Object{}, err
		}
		if i == 0 {
			out.Value, out.ContentType, out.Encoding, out.Charset = content.Value, content.ContentType, content.Encoding, content.Charset
			out.Meta, out.Links, out.Indexes = content.Meta, content.Links, content.Indexes
			out.Modified, out.Deleted = content.Modified, content.Deleted
		}
		if len(o.Contents) > 1 {
			out.Siblings = append(out.Siblings, content)
		}
	}
	return out, nil
}

// KV returns the content that c describes, sharing its bytes; its errors are
// those of Object.KV.
func (c Content) KV() (kv.Content, error) {
	out := kv.Content{
		ContentType: string(c.ContentType), Encoding: string(c.Encoding), Charset: string(c.Charset),
		Modified: c.Modified, Deleted: c.Deleted, Value: c.Value,
	}
	for _, a := range c.Meta {
		out.Meta = append(out.Meta, kv.Attribute{Name: string(a.Name), Value: string(a.Value)})
	}
	for _, l := range c.Links {
		out.Links = append(out.Links, kv.Link{Bucket: string(l.Bucket), Key: string(l.Key), Tag: string(l.Tag)})
	}
	for _, i := range c.Indexes {
		e := kv.Index{Name: string(i.Name)}
		switch {
		case i.Int != nil && i.Bin == nil:
			e.Kind, e.Int = kv.IntIndex, *i.Int
		case i.Bin != nil && i.Int == nil:
			e.Kind, e.Bin = kv.BinIndex, string(*i.Bin)
		default:
			return kv.Content{}, refuse(ErrRequest, "index %q: give either int or bin", i.Name)
		}
		out.Indexes = append(out.Indexes, e)
	}
	return out, nil
}

// header is the value of HeaderObject.
func (o Object) header() (string, error) {
	b, err := json.Marshal(o.headed())
	return string(b), err
}

// decodeHeader is the inverse of Object.header; an empty header is an object
// with one content that says nothing.
func decodeHeader(header string) (Object, error) {
	o := Object{}
	if err := decode([]byte(header), &o); err != nil {
		return Object{}, fmt.Errorf("header %s: %w", HeaderObject, err)
	}
	if len(o.Contents) == 0 {
		o.Contents = make([]Content, 1)
	}
	if len(o.Contents) > 1 || o.Bucket != "" || o.Key != "" || o.Type != "" {
		return Object{}, refuse(ErrRequest, "header %s: give one content, and no name: it is in the path", HeaderObject)
	}
	return o, nil
}
