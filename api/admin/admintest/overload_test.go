package admintest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/api/admin/admintest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/vnode"
)

// TestRetryAfter: who is told that there is too much to do is told when to ask
// again; who is told anything else is not.
func TestRetryAfter(t *testing.T) {
	store := admintest.NewStore(admintest.New(t, "n1"))
	srv := httptest.NewServer(admin.NewHandler(admin.Options{Node: admintest.New(t, "n1"), Store: store, Changes: true}))
	defer srv.Close()
	for _, tt := range []struct {
		err        error
		code       string
		status     int
		retryAfter string
	}{
		{fmt.Errorf("get: %w", vnode.ErrOverloaded), "overloaded", http.StatusServiceUnavailable, "1"},
		{fmt.Errorf("list: %w", kv.ErrListings), "too_many_listings", http.StatusServiceUnavailable, "1"},
		{fmt.Errorf("get: %w", kv.ErrNotDone), "not_done", http.StatusServiceUnavailable, ""},
	} {
		store.Fail(tt.err)
		for _, path := range []string{"/v1/objects/default/b/k", "/v1/objects/default/b", "/v1/index/default/b/$key"} {
			resp, err := srv.Client().Get(srv.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			var e admin.Error
			err = json.NewDecoder(resp.Body).Decode(&e)
			resp.Body.Close()
			if got := resp.Header.Get("Retry-After"); err != nil || resp.StatusCode != tt.status || e.Code != tt.code || got != tt.retryAfter {
				t.Errorf("%v at %s: status %d, code %q, Retry-After %q, %v", tt.err, path, resp.StatusCode, e.Code, got, err)
			}
		}
	}
}
