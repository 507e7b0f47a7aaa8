package admintest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/api/admin/admintest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// storeClient returns a client of a handler on the store.
func storeClient(t *testing.T, s *admintest.Store) *admin.Client {
	t.Helper()
	srv := httptest.NewServer(admin.NewHandler(admin.Options{Node: admintest.New(t, "n1"), Store: s, Changes: true}))
	c, err := admin.NewClient(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		srv.Close()
	})
	return c
}

// odd names and values: every byte, escapes, steps of a path, not UTF-8.
var odd = []string{"a", "text/plain", "a/b", ".", "..", "%2F", "a b", "\x00", "\x7f", "ü", "\xff\xfe", "?x=1#y", "\r\n", `"`, "{}"}

// TestObjects_roundTrip takes objects of every shape through the client and the
// handler, and back.
func TestObjects_roundTrip(t *testing.T) {
	store := admintest.NewStore(admintest.New(t, "n1"))
	c := storeClient(t, store)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	pick := func() string { return odd[rnd.IntN(len(odd))] }
	maybe := func() string { return pick()[rnd.IntN(2):] }
	for range 300 {
		want := kv.Object{
			Type: pick(), Bucket: pick(), Key: pick(), Value: []byte(pick()), ContentType: maybe(), Encoding: maybe(), Charset: maybe(),
			Meta:  []kv.Attribute{{Name: pick(), Value: pick()}, {Name: pick(), Value: pick()}},
			Links: []kv.Link{{Bucket: pick(), Key: pick(), Tag: pick()}},
			Indexes: []kv.Index{
				{Name: pick(), Kind: kv.BinIndex, Bin: pick()}, {Name: pick(), Kind: kv.IntIndex, Int: rnd.Int64() - rnd.Int64()}, {Name: pick(), Kind: kv.IntIndex},
			},
		}
		name := admin.Name{Type: want.Type, Bucket: want.Bucket, Key: want.Key}
		if _, err := c.Delete(t.Context(), admin.DeleteRequest{Name: name}); err != nil {
			t.Fatalf("%+v: %v", name, err)
		}
		if _, err := c.Put(t.Context(), admin.PutRequest{Object: want}); err != nil {
			t.Fatalf("%+v: %v", want, err)
		}
		o, err := c.Get(t.Context(), admin.GetRequest{Name: name})
		if err != nil {
			t.Fatalf("%+v: %v", name, err)
		}
		got, err := o.KV()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(kv.Object{}, "Modified", "Context")); diff != "" || got.Context == "" {
			t.Fatalf("context %q, -put +got\n%s", got.Context, diff)
		}
		head, err := c.Get(t.Context(), admin.GetRequest{Name: name, Head: true})
		if err != nil || len(head.Contents) != 1 || head.Contents[0].Value != nil || head.Contents[0].Size != len(want.Value) {
			t.Fatalf("head %+v, %v", head, err)
		}
	}
}

// TestObjects_largest: the value, the metadata and the context at their limits,
// and beyond.
func TestObjects_largest(t *testing.T) {
	c := storeClient(t, admintest.NewStore(admintest.New(t, "n1")))
	o := kv.Object{
		Bucket: "b", Key: strings.Repeat("\xff", 20_000), Value: bytes.Repeat([]byte("v"), kv.MaxValueBytes),
		Meta: []kv.Attribute{{Name: "m", Value: strings.Repeat("<", kv.MaxMetaBytes-100)}},
	}
	if _, err := c.Put(t.Context(), admin.PutRequest{Object: o}); err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), admin.GetRequest{Name: admin.Name{Bucket: o.Bucket, Key: o.Key}})
	if err != nil || !bytes.Equal(got.Contents[0].Value, o.Value) || string(got.Contents[0].Meta[0].Value) != o.Meta[0].Value {
		t.Errorf("not as it was put: %v", err)
	}
	o.Value = append(o.Value, 'v')
	if _, err := c.Put(t.Context(), admin.PutRequest{Object: o}); !errors.Is(err, kv.ErrTooLarge) {
		t.Errorf("a byte more: %v", err)
	}
}

func TestObjects_siblings(t *testing.T) {
	c := storeClient(t, admintest.NewStore(admintest.New(t, "n1")))
	name := admin.Name{Bucket: "b", Key: "k"}
	put := func(value string, context []byte) admin.Written {
		t.Helper()
		w, err := c.Put(t.Context(), admin.PutRequest{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(value), Context: kv.Context(context)}})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	put("one", nil)
	if w := put("two", nil); w.Siblings != 2 || len(w.Context) != 0 {
		t.Errorf("%+v, want two siblings and no context", w)
	}
	o, err := c.Get(t.Context(), admin.GetRequest{Name: name})
	if err != nil || len(o.Contents) != 2 || len(o.Context) == 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	if w := put("three", o.Context); w.Siblings != 1 {
		t.Errorf("%+v, want one", w)
	}
	if d, err := c.Delete(t.Context(), admin.DeleteRequest{Name: name, Context: kv.Context(o.Context)}); err != nil || d.Siblings != 1 {
		t.Errorf("a delete that has not seen the last write: %+v, %v", d, err)
	}
}

// TestObjects_errors holds every outcome to an error of its own at the client.
func TestObjects_errors(t *testing.T) {
	for _, want := range []error{
		kv.ErrNotFound, kv.ErrExists, kv.ErrModified, kv.ErrContext, kv.ErrSiblings, kv.ErrTooLarge, kv.ErrCorrupt,
		admin.ErrUnjoined, kv.ErrUnknown, kv.ErrNotDone, context.DeadlineExceeded,
	} {
		s := admintest.NewStore(admintest.New(t, "n1"))
		s.Fail(fmt.Errorf("put b/k: %w", want))
		c := storeClient(t, s)
		_, err := c.Put(t.Context(), admin.PutRequest{Object: kv.Object{Bucket: "b", Key: "k"}})
		var e *admin.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Operation != "put" || e.Operand != "b/k" {
			t.Errorf("%v came back as %v", want, err)
		}
		if _, err := c.Get(t.Context(), admin.GetRequest{Name: admin.Name{Bucket: "b", Key: "k"}}); !errors.Is(err, want) {
			t.Errorf("%v came back as %v", want, err)
		}
		for _, err := range c.List(t.Context(), admin.ListRequest{Bucket: "b"}) {
			if !errors.Is(err, want) {
				t.Errorf("%v came back as %v", want, err)
			}
		}
	}
}

// TestObjects_options: what a request says about copies reaches the store, and
// what the store says about them the client.
func TestObjects_options(t *testing.T) {
	s := admintest.NewStore(admintest.New(t, "n1"))
	c := storeClient(t, s)
	write := kv.WriteOptions{W: 2, DW: bucket.None, PW: bucket.All, NodeConfirms: 3, Sloppy: kv.No, R: bucket.One, PR: bucket.Majority}
	read := kv.ReadOptions{R: bucket.All, PR: 1, NodeConfirms: 2, NotFoundOK: kv.No, BasicQuorum: kv.Yes, Sloppy: kv.Yes}
	name := admin.Name{Bucket: "b", Key: "k"}
	if _, err := c.Put(t.Context(), admin.PutRequest{Object: kv.Object{Bucket: "b", Key: "k"}, Options: write}); err != nil || s.Written() != write {
		t.Errorf("%+v, %v", s.Written(), err)
	}
	if _, err := c.Get(t.Context(), admin.GetRequest{Name: name, Options: read}); err != nil || s.Read() != read {
		t.Errorf("%+v, %v", s.Read(), err)
	}
	if _, err := c.Delete(t.Context(), admin.DeleteRequest{Name: name, Options: write}); err != nil || s.Written() != write {
		t.Errorf("%+v, %v", s.Written(), err)
	}
	s.Fail(&kv.QuorumError{Op: "put", Bucket: "b", Key: "k", Outcome: kv.ErrNotDone, Copies: kv.Count{Got: 1, Want: 2}, Causes: []error{kv.ErrCorrupt}})
	_, err := c.Put(t.Context(), admin.PutRequest{Object: kv.Object{Bucket: "b", Key: "k"}})
	e, ok := errors.AsType[*admin.Error](err)
	if !ok || !errors.Is(err, kv.ErrNotDone) || len(e.Counts) != 1 || e.Counts[0] != (admin.Count{Name: "copies", Got: 1, Want: 2}) {
		t.Errorf("%+v", err)
	}
}

// endless lists objects until it is stopped, and fails after some if told to.
type endless struct {
	*admintest.Store
	after   int
	err     error
	stopped chan int
}

func (e *endless) List(ctx context.Context, _ admin.ListRequest) iter.Seq2[kv.Object, error] {
	return func(yield func(kv.Object, error) bool) {
		n := 0
		defer func() { e.stopped <- n }()
		for ; ; n++ {
			if n == e.after && e.err != nil {
				yield(kv.Object{}, e.err)
				return
			}
			if ctx.Err() != nil || !yield(kv.Object{Key: fmt.Sprintf("%0100d", n)}, nil) {
				return
			}
		}
	}
}

func endlessClient(t *testing.T, e *endless) (*admin.Client, string) {
	e.Store, e.stopped = admintest.NewStore(admintest.New(t, "n1")), make(chan int, 1)
	srv := httptest.NewServer(admin.NewHandler(admin.Options{Node: admintest.New(t, "n1"), Store: e, Changes: true}))
	c, err := admin.NewClient(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		srv.Close()
	})
	return c, srv.URL
}

// TestList_backPressure: a client that takes nothing makes the node read no
// more than what fits into the connection, and one that leaves ends the listing.
func TestList_backPressure(t *testing.T) {
	e := &endless{}
	_, url := endlessClient(t, e)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/objects/default/b", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if n := <-e.stopped; n > 1_000_000 {
		t.Errorf("%d objects were read for a client that took none", n)
	}
}

func TestList_stopsWithTheConsumer(t *testing.T) {
	e := &endless{}
	c, _ := endlessClient(t, e)
	n := 0
	for _, err := range c.List(t.Context(), admin.ListRequest{Bucket: "b"}) {
		if n++; err != nil || n == 1000 {
			break
		}
	}
	<-e.stopped
	if n != 1000 {
		t.Errorf("%d objects", n)
	}
}

// TestList_saysWhatIsMissing: an error in the middle of a stream arrives behind
// what came before it, and a stream that is cut off is no whole one.
func TestList_saysWhatIsMissing(t *testing.T) {
	e := &endless{after: 5000, err: fmt.Errorf("list: %w", kv.ErrCorrupt)}
	c, _ := endlessClient(t, e)
	n := 0
	var last error
	for _, err := range c.List(t.Context(), admin.ListRequest{Bucket: "b"}) {
		if last = err; err == nil {
			n++
		}
	}
	if n != 5000 || !errors.Is(last, kv.ErrCorrupt) {
		t.Errorf("%d objects, then %v", n, last)
	}
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"key":"a"}`+"\n") }))
	defer cut.Close()
	c, err := admin.NewClient(cut.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for o, err := range c.List(t.Context(), admin.ListRequest{Bucket: "b"}) {
		if last = err; err == nil && o.Key != "a" {
			t.Errorf("key %q", o.Key)
		}
	}
	if !errors.Is(last, admin.ErrIncomplete) {
		t.Errorf("a stream without an end: %v", last)
	}
}

// TestObjects_refuses holds requests for objects to the rules.
func TestObjects_refuses(t *testing.T) {
	const path = "/v1/objects/default/b/k"
	for _, tt := range []struct {
		name   string
		reads  bool
		method string
		path   string
		header map[string]string
		body   io.Reader
		want   int
		code   string
	}{
		{name: "fine", method: "PUT", path: path, want: 200},
		{name: "of a type", method: "PUT", path: path, header: map[string]string{"Content-Type": "text/plain"}, want: 200},
		{name: "described", method: "PUT", path: path, header: map[string]string{admin.HeaderObject: `{"contents":[{"meta":[{"name":"a","value":"b"}]}]}`}, want: 200},
		{name: "of a web page", method: "PUT", path: path, header: map[string]string{"Origin": "http://127.0.0.1"}, want: 403, code: "read_only"},
		{name: "the reading address", reads: true, method: "GET", path: path, want: 403, code: "read_only"},
		{name: "a form", method: "POST", path: path, want: 405, code: "method_not_allowed"},
		{name: "a put of a bucket", method: "PUT", path: "/v1/objects/default/b", want: 405, code: "method_not_allowed"},
		{name: "an empty key", method: "PUT", path: "/v1/objects/default/b/", want: 400, code: "bad_request"},
		{name: "a slash too many", method: "GET", path: path + "/x", want: 400, code: "bad_request"},
		{name: "an unknown parameter", method: "GET", path: path + "?quorum=2", want: 400, code: "bad_request"},
		{name: "a parameter twice", method: "GET", path: path + "?head=1&head=1", want: 400, code: "bad_request"},
		{name: "no flag", method: "GET", path: path + "?head=maybe", want: 400, code: "bad_request"},
		{name: "no base64", method: "DELETE", path: path + "?context=%21", want: 400, code: "bad_request"},
		{name: "a header that is not JSON", method: "PUT", path: path, header: map[string]string{admin.HeaderObject: `x`}, want: 400, code: "bad_request"},
		{name: "a header with a name", method: "PUT", path: path, header: map[string]string{admin.HeaderObject: `{"key":"x"}`}, want: 400, code: "bad_request"},
		{name: "an index of nothing", method: "PUT", path: path, header: map[string]string{admin.HeaderObject: `{"contents":[{"indexes":[{"name":"a"}]}]}`}, want: 400, code: "bad_request"},
		{name: "a body that breaks off", method: "PUT", path: path, body: iotest.ErrReader(io.ErrUnexpectedEOF), want: 400, code: "bad_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.body == nil {
				tt.body = strings.NewReader("v")
			}
			r := httptest.NewRequest(tt.method, "/", tt.body)
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(tt.path, "?")
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			s := admintest.NewStore(admintest.New(t, "n1"))
			if tt.method != "PUT" {
				s.MustPut(kv.Object{Bucket: "b", Key: "k", Value: []byte("v")})
			}
			admin.NewHandler(admin.Options{Node: admintest.New(t, "n1"), Store: s, Changes: !tt.reads}).ServeHTTP(w, r)
			var e admin.Error
			_ = json.Unmarshal(w.Body.Bytes(), &e)
			if w.Code != tt.want || e.Code != tt.code {
				t.Errorf("status %d, code %q, want %d, %q: %s", w.Code, e.Code, tt.want, tt.code, w.Body)
			}
			if tt.method == "PUT" && s.Len() == 0 == (tt.want == 200) {
				t.Errorf("%d objects are there", s.Len())
			}
		})
	}
}

// FuzzObjects sends what paths, parameters and headers may hold.
func FuzzObjects(f *testing.F) {
	f.Add("PUT", "default/b/k", "if_match=00", `{"context":"AA==","contents":[{}]}`)
	f.Add("PUT", "default/b/k", "", `{"contents":[{"meta":[{"name":{"base64":"/w=="},"value":""}],"indexes":[{"name":"a","int":1}]}]}`)
	f.Add("GET", "default/b/%ff", "head=1", "")
	f.Add("DELETE", "//", "context=AAAA", "")
	f.Add("GET", "default/b", "values=true", "")
	f.Fuzz(func(t *testing.T, method, path, query, header string) {
		r := httptest.NewRequest("GET", "/", strings.NewReader("v"))
		r.Method, r.URL.Path, r.URL.RawPath, r.URL.RawQuery = method, "/v1/objects/"+path, "/v1/objects/"+path, query
		r.Header.Set(admin.HeaderObject, header)
		w := httptest.NewRecorder()
		admin.NewHandler(admin.Options{Node: admintest.New(t, "n1"), Store: admintest.NewStore(admintest.New(t, "n1")), Changes: true}).ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s", w.Body)
		}
	})
}

// TestText_roundTrip: any bytes survive JSON.
func TestText_roundTrip(t *testing.T) {
	for _, s := range odd {
		b, err := json.Marshal(admin.Text(s))
		if err != nil {
			t.Fatal(err)
		}
		var back admin.Text
		if err := json.Unmarshal(b, &back); err != nil || string(back) != s {
			t.Errorf("%q as %s came back as %q, %v", s, b, back, err)
		}
	}
	for _, bad := range []string{`5`, `{}`, `{"base64":5}`, `{"base64":"!"}`, `["x"]`, "\"\xff\""} {
		var back admin.Text
		if err := back.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is taken for %q", bad, back)
		}
	}
}
