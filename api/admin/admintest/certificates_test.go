package admintest_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/api/admin/admintest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
)

func certificate(session uint64, p ring.Partition) topology.Certificate {
	return topology.Certificate{Number: 1, Session: session, Type: topology.Swap, Kind: "kv", Partition: p, Source: "n1", Target: "n2", EpochBefore: 1, EpochAfter: 2, Items: 3}
}

// What the members' histories have is merged by session: an entry that differs stands beside the other, a
// node that does not answer is named, damage is told.
func TestCertificates(t *testing.T) {
	n := admintest.New(t, "n1")
	altered := certificate(1, 5)
	altered.Items = 4
	ended := time.UnixMilli(5000)
	n.Set(func(f *admintest.Facts) {
		f.History = []admin.NodeHistory{
			{Node: "n1", Damage: []string{"damaged at 7"}, Late: admin.LateFrames{Fenced: 9}, Entries: []history.Entry{
				{Certificate: certificate(1, 5), Node: "n1"},
				{Certificate: certificate(2, 6), Node: "n1"},
				{Certificate: certificate(2, 6), Node: "n1"},
				{Certificate: topology.Certificate{Session: 3, Kind: "kv", Partition: 6}, Reason: topology.ReasonCancelled, Node: "n1"},
			}},
			{Node: "n2", Entries: []history.Entry{{Certificate: altered, Node: "n2"}, {Certificate: certificate(2, 6), Node: "n2", Ended: ended}}},
			{Node: "n3", Err: errors.New("no route")},
		}
	})
	server := httptest.NewServer(admin.NewHandler(admin.Options{Node: n, Changes: true}))
	defer server.Close()
	c, err := admin.NewClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	six := ring.Partition(6)
	for _, x := range []struct {
		name string
		want admin.CertificatesRequest
		in   [][]string
	}{
		{"completed", admin.CertificatesRequest{}, [][]string{{"n1"}, {"n2"}, {"n1", "n2"}}},
		{"all", admin.CertificatesRequest{Failed: true}, [][]string{{"n1"}, {"n2"}, {"n1", "n2"}, {"n1"}}},
		{"partition", admin.CertificatesRequest{Kind: "kv", Partition: &six}, [][]string{{"n1", "n2"}}},
		{"session that failed", admin.CertificatesRequest{Session: 3}, [][]string{{"n1"}}},
		{"kind", admin.CertificatesRequest{Kind: "pipe"}, [][]string{}},
	} {
		got, err := c.Certificates(t.Context(), x.want)
		if err != nil {
			t.Fatal(x.name, err)
		}
		in := [][]string{}
		for _, v := range got.Certificates {
			in = append(in, v.In)
		}
		slices.SortStableFunc(in[:min(2, len(in))], slices.Compare) // the two of session 1 stand in the order of their hashes
		if !slices.EqualFunc(in, x.in, slices.Equal) {
			t.Errorf("%s: %v, want %v", x.name, in, x.in)
		}
		if len(got.Damaged) != 1 || len(got.Unanswered) != 1 || got.Unanswered[0].Node != "n3" || got.Late[0].Fenced != 9 {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
	got, err := c.Certificates(t.Context(), admin.CertificatesRequest{Session: 2})
	if err != nil || len(got.Certificates) != 1 || !got.Certificates[0].Ended.Equal(ended) {
		t.Errorf("%+v, %v", got, err)
	}
}
