package admin

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/dee2748c/baton/kv"
)

// path is where the API has the name.
func (n Name) path() string {
	p := objectsPath + "/" + escape(cmp.Or(n.Type, kv.DefaultType)) + "/" + escape(n.Bucket)
	if n.Key != "" {
		p += "/" + escape(n.Key)
	}
	return p
}

// escape is url.PathEscape, and keeps "." and ".." from being taken for steps.
func escape(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func setIf(q url.Values, name string, on bool) {
	if on {
		q.Set(name, "true")
	}
}

// Get returns an object with all its siblings, or kv.ErrNotFound; with r.Head
// their sizes are in the place of the values.
func (c *Client) Get(ctx context.Context, r GetRequest) (Object, error) {
	q := url.Values{}
	setIf(q, "head", r.Head)
	setReadOptions(q, r.Options)
	resp, err := c.do(ctx, call{method: http.MethodGet, path: withQuery(r.path(), q), operation: "get", operand: r.String()})
	if err != nil {
		return Object{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Object{}, c.lost(ctx, call{method: http.MethodGet, operation: "get", operand: r.String()}, err)
	}
	var o Object
	if header := resp.Header.Get(HeaderObject); header != "" {
		if o, err = decodeHeader(header); err == nil {
			o.Contents[0].Value, o.Contents[0].Size = body, 0
		}
	} else {
		err = json.Unmarshal(body, &o)
	}
	if err != nil {
		return Object{}, c.strange("get", err.Error())
	}
	o.Type, o.Bucket, o.Key = Text(r.Type), Text(r.Bucket), Text(r.Key)
	return o, nil
}

// Put writes an object; its errors say whether nothing was written.
func (c *Client) Put(ctx context.Context, r PutRequest) (Written, error) {
	name := Name{r.Object.Type, r.Object.Bucket, r.Object.Key}
	q := url.Values{}
	setIf(q, "if_none_match", r.IfNoneMatch)
	setIf(q, "if_not_modified", r.IfNotModified)
	setIf(q, "keep_modified", r.KeepModified)
	if r.IfMatch != "" {
		q.Set("if_match", r.IfMatch)
	}
	setWriteOptions(q, r.Options)
	r.Object.Siblings = nil
	header, err := NewObject(r.Object).header()
	if err == nil && (name.Bucket == "" || name.Key == "") {
		err = kv.ErrEmptyName
	}
	if err != nil {
		return Written{}, toError("put", name.String(), err)
	}
	return answer[Written](ctx, c, call{
		method: http.MethodPut, path: withQuery(name.path(), q), operation: "put", operand: name.String(),
		body: r.Object.Value, header: http.Header{HeaderObject: {header}, "Content-Type": {mediaType(r.Object.ContentType)}},
	})
}

// Delete removes an object; its errors are as those of Put.
func (c *Client) Delete(ctx context.Context, r DeleteRequest) (Deleted, error) {
	q := url.Values{}
	if r.Context != "" {
		q.Set("context", base64.StdEncoding.EncodeToString([]byte(r.Context)))
	}
	setWriteOptions(q, r.Options)
	if r.Bucket == "" || r.Key == "" {
		return Deleted{}, toError("delete", r.String(), kv.ErrEmptyName)
	}
	return answer[Deleted](ctx, c, call{method: http.MethodDelete, path: withQuery(r.path(), q), operation: "delete", operand: r.String()})
}

// List yields every object of a bucket once, with its key only or whole. An
// error is the last that it yields: then something is missing.
func (c *Client) List(ctx context.Context, r ListRequest) iter.Seq2[Object, error] {
	q := url.Values{}
	setIf(q, "values", !r.KeysOnly)
	name := Name{Type: r.Type, Bucket: r.Bucket}
	return func(yield func(Object, error) bool) {
		if r.Bucket == "" {
			yield(Object{}, toError("list", name.String(), kv.ErrEmptyName))
			return
		}
		_, err := lines(ctx, c, call{method: http.MethodGet, path: withQuery(name.path(), q), operation: "list", operand: name.String()},
			func(o Object) bool { return yield(o, nil) })
		if err != nil {
			yield(Object{}, err)
		}
	}
}

// Buckets yields the buckets of a type that hold objects. An error is the last
// that it yields: then something is missing.
func (c *Client) Buckets(ctx context.Context, bucketType string) iter.Seq2[string, error] {
	t := cmp.Or(bucketType, kv.DefaultType)
	return func(yield func(string, error) bool) {
		x := call{method: http.MethodGet, path: objectsPath + "/" + escape(t), operation: "list", operand: t}
		if _, err := lines(ctx, c, x, func(o Object) bool { return yield(string(o.Bucket), nil) }); err != nil {
			yield("", err)
		}
	}
}

// lines reads a stream until its end or until take is false.
func lines[T any](ctx context.Context, c *Client, x call, take func(T) bool) (End, error) {
	x.stream = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before the body is closed, which else would read on
	resp, err := c.do(ctx, x)
	if err != nil {
		return End{}, err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(bufio.NewReaderSize(resp.Body, 64<<10))
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("it was cut off before its end")
			}
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return End{}, toError(x.operation, x.operand, fmt.Errorf("%w: %w", ErrIncomplete, err))
		}
		if bytes.HasPrefix(raw, []byte(`{"end":`)) {
			var last endLine
			if err := json.Unmarshal(raw, &last); err != nil || last.End == nil {
				return End{}, c.strange(x.operation, "a stream without an end")
			}
			if last.End.Error != nil {
				return *last.End, last.End.Error
			}
			return *last.End, nil
		}
		var line T
		if err := json.Unmarshal(raw, &line); err != nil {
			return End{}, c.strange(x.operation, err.Error())
		}
		if !take(line) {
			return End{}, nil
		}
	}
}
