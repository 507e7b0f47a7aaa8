package admintest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/api/admin/admintest"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAPI runs the transcripts in testdata. Commands:
//
//	node [unjoined]            a new node n1
//	join / rebalance           its input names nodes; plan and commit
//	transfer kind= partition=  opens the transfer that the ring asks for
//	until session= stage=      lets source and target report until that stage
//	say ...                    what the node says of itself
//	GET, POST path [reads]     a request; the input of POST is the body
func TestAPI(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var n *admintest.Node
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "node":
				n = admintest.New(t, "n1")
				if d.HasArg("unjoined") {
					n = admintest.Unjoined(t, "n1")
				}
			case "join":
				for _, name := range strings.Fields(d.Input) {
					n.Add(ring.NodeID(name))
				}
			case "rebalance":
				n.Rebalance()
			case "transfer":
				transfer(t, n, d)
			case "until":
				until(t, n, d)
			case "say":
				say(t, n, d)
			case "GET", "POST":
				return request(n, d)
			default:
				d.Fatalf(t, "unknown command")
			}
			return ""
		})
	})
}

func transfer(t *testing.T, n *admintest.Node, d *datadriven.TestData) {
	var kind string
	var p int
	d.ScanArgs(t, "kind", &kind)
	d.ScanArgs(t, "partition", &p)
	state := n.View()
	owner, epoch := state.Owner(kind, ring.Partition(p))
	if owner == state.Ring().Owner(ring.Partition(p)) {
		d.Fatalf(t, "partition %d need not move", p)
	}
	n.Do(topology.OpenTransfer{
		Type: topology.Swap, Kind: kind, Partition: ring.Partition(p),
		Target: state.Ring().Owner(ring.Partition(p)), ExpectEpoch: epoch,
	})
}

func until(t *testing.T, n *admintest.Node, d *datadriven.TestData) {
	var session uint64
	var stage string
	d.ScanArgs(t, "session", &session)
	d.ScanArgs(t, "stage", &stage)
	for range 20 {
		x := n.View().Transfer(session)
		if x == nil || x.Stage.String() == stage {
			return
		}
		from := topology.Report{Session: session, Node: x.Source, Incarnation: x.SourceIncarnation}
		to := topology.Report{Session: session, Node: x.Target, Incarnation: x.TargetIncarnation}
		switch x.Stage {
		case topology.StagePrepare:
			n.Do(topology.SourceReady{Report: from}, topology.TargetReady{Report: to})
		case topology.StageFold:
			n.Do(topology.ReadyToSeal{Report: from})
		case topology.StageSeal:
			n.Do(topology.SourceFrozen{Report: from}, topology.TargetSealed{Report: to})
		case topology.StageAbort:
			n.Do(topology.SourceReleased{Report: from})
		default:
			d.Fatalf(t, "session %d is in %s", session, x.Stage)
		}
	}
}

// say sets what the node says; its input has a line for each fact.
func say(t *testing.T, n *admintest.Node, d *datadriven.TestData) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for line := range strings.Lines(d.Input) {
		w := strings.Fields(line)
		n.Set(func(f *admintest.Facts) {
			switch w[0] {
			case "suspect":
				f.Health = cluster.NewHealth(map[ring.NodeID]cluster.Reach{ring.NodeID(w[1]): cluster.Suspect})
			case "unready":
				f.Reasons = append(f.Reasons, strings.Join(w[1:], " "))
			case "setting":
				f.Config = append(f.Config, admin.Setting{Name: w[1], Value: w[2], Source: w[3]})
			case "size": // node kind partition items bytes
				f.Sizes = append(f.Sizes, admin.NodeSizes{Node: ring.NodeID(w[1]), Parts: []admin.PartSize{{
					Kind: w[2], Partition: ring.Partition(number(t, w[3])), Items: number(t, w[4]), Bytes: number(t, w[5]),
				}}})
			case "silent":
				f.Progress = append(f.Progress, admin.NodeProgress{Node: ring.NodeID(w[1]), Err: errors.New("connection refused")})
				f.Sizes = append(f.Sizes, admin.NodeSizes{Node: ring.NodeID(w[1]), Err: errors.New("connection refused")})
			case "reachable":
				f.Health = cluster.Health{}
			case "stuck":
				f.Stuck = append(f.Stuck, cluster.StuckSeal{Transfer: topology.Transfer{Session: number(t, w[1])}, Since: began})
			case "guard": // session name, or with "leaked" before it
				leaked := w[1] == "leaked"
				if leaked {
					w = w[1:]
				}
				g := admin.Guard{Node: "n1", Session: number(t, w[1]), Name: strings.Join(w[2:], " "), Entered: began, Closed: began.Add(time.Second), Leaked: leaked}
				f.Guards = append(f.Guards, g)
				f.Progress = append(f.Progress, admin.NodeProgress{Node: g.Node, Guards: []admin.Guard{g}})
			case "progress": // node version [session items bytes totalitems totalbytes [itemrate byterate stall]]: totals are the source's
				p := admin.NodeProgress{Node: ring.NodeID(w[1]), Version: number(t, w[2])}
				if len(w) > 3 {
					p.Sessions = []admin.Progress{{
						Session: number(t, w[3]), Attempt: 1, Items: number(t, w[4]), Bytes: number(t, w[5]),
						TotalItems: number(t, w[6]), TotalBytes: number(t, w[7]), Started: began, Updated: began.Add(time.Minute), Outgoing: number(t, w[6]) > 0,
					}}
				}
				if len(w) > 8 {
					s := &p.Sessions[0]
					s.ItemRate, s.ByteRate, s.Stall = float64(number(t, w[8])), float64(number(t, w[9])), strings.Join(w[10:], " ")
				}
				f.Progress = append(f.Progress, p)
			case "cut":
				n.Cut()
			case "lost":
				f.RestoreErr = nil
			case "join-fails":
				f.JoinErr = fmt.Errorf("join n1: %w: the cluster is another: give another address", topology.ErrClusterMismatch)
			default:
				d.Fatalf(t, "unknown fact %q", line)
			}
		})
	}
}

func number(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func request(n *admintest.Node, d *datadriven.TestData) string {
	r := httptest.NewRequest(d.Cmd, d.CmdArgs[0].Key, strings.NewReader(d.Input))
	if d.Cmd == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h := admin.NewHandler(admin.Options{Node: n, Changes: !d.HasArg("reads"), ReadWait: time.Minute})
	h.ServeHTTP(w, r)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(w.Body.Bytes()), "", " "); err != nil {
		return fmt.Sprintf("%d, not JSON: %s", w.Code, w.Body)
	}
	return fmt.Sprintf("%d\n%s", w.Code, pretty.Bytes())
}

// TestHandler_refuses holds requests to the rules that keep web pages and
// mistakes out.
func TestHandler_refuses(t *testing.T) {
	const path = "/v1/leave"
	for _, tt := range []struct {
		name    string
		changes bool
		method  string
		path    string
		header  map[string]string
		body    string
		want    int
		code    string
	}{
		{"fine", true, "POST", path, nil, `{"node":"n2"}`, 200, ""},
		{"a charset is fine", true, "POST", path, map[string]string{"Content-Type": "application/json; charset=utf-8"}, `{"node":"n2"}`, 200, ""},
		{"a form", true, "POST", path, map[string]string{"Content-Type": "text/plain"}, `{"node":"n2"}`, 415, "unsupported_media_type"},
		{"no type", true, "POST", path, map[string]string{"Content-Type": ""}, `{"node":"n2"}`, 415, "unsupported_media_type"},
		{"a page of its own origin", true, "POST", path, map[string]string{"Origin": "http://127.0.0.1:8097"}, `{"node":"n2"}`, 403, "read_only"},
		{"the reading address", false, "POST", path, nil, `{"node":"n2"}`, 403, "read_only"},
		{"settings at the reading address", false, "GET", "/v1/config", nil, "", 403, "read_only"},
		{"an unknown field", true, "POST", path, nil, `{"nodes":"n2"}`, 400, "bad_request"},
		{"a wrong type", true, "POST", path, nil, `{"node":2}`, 400, "bad_request"},
		{"not JSON", true, "POST", path, nil, `node=n2`, 400, "bad_request"},
		{"two objects", true, "POST", path, nil, `{"node":"n2"}{}`, 400, "bad_request"},
		{"too much", true, "POST", path, nil, `{"node":"` + strings.Repeat("x", admin.MaxBody) + `"}`, 413, "too_large"},
		{"a wrong method", true, "GET", path, nil, "", 405, "method_not_allowed"},
		{"a change of a read", true, "DELETE", "/v1/plan", nil, "", 405, "method_not_allowed"},
		{"no such path", true, "GET", "/v2", nil, "", 404, "not_found"},
		{"a path beneath", true, "GET", "/v1/plan/", nil, "", 404, "not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := admintest.New(t, "n1")
			n.Add("n2")
			n.Rebalance()
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/json")
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			admin.NewHandler(admin.Options{Node: n, Changes: tt.changes}).ServeHTTP(w, r)
			var e admin.Error
			_ = json.Unmarshal(w.Body.Bytes(), &e)
			if w.Code != tt.want || e.Code != tt.code {
				t.Errorf("status %d, code %q, want %d, %q: %s", w.Code, e.Code, tt.want, tt.code, w.Body)
			}
			if staged := len(n.View().Staged()); (staged == 1) != (tt.want == 200) {
				t.Errorf("%d changes are staged", staged)
			}
			if e.Code != "" && (e.Message == "" || e.Remedy == "") {
				t.Errorf("the error does not say what to do: %s", w.Body)
			}
		})
	}
}

// FuzzHandler sends what a body may hold.
func FuzzHandler(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"node":"n1","force":true}`, `{"partition":9999,"to":"n1"}`, `{"partition":-1}`, `{"limit":-5}`, `{"state":"AAAA"}`, `{"plan_version":1}`, `[`, `null`, `{"direction":"both","cancel":true}`, `{"session":7}`, `{"partition":3,"kind":"kv"}`, `{"rate":1}`} {
		for i := range uint8(17) {
			f.Add(i, seed)
		}
	}
	paths := []string{
		"join", "leave", "replace", "force-remove", "force-replace", "down", "share", "plan", "commit", "clear", "move", "transfer-limit", "restore", "nothing", "handoff-config", "handoff-switch", "handoff-cancel",
	}
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		n := admintest.New(t, "n1")
		r := httptest.NewRequest("POST", "/v1/"+paths[int(path)%len(paths)], strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		admin.NewHandler(admin.Options{Node: n, Changes: true}).ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: not JSON: %s", body, w.Body)
		}
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s: %s", body, w.Body)
		}
	})
}

func client(t *testing.T, n *admintest.Node) *admin.Client {
	t.Helper()
	s := httptest.NewServer(admin.NewHandler(admin.Options{Node: n, Changes: true}))
	c, err := admin.NewClient(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c
}

// TestClient_wholeChange goes from a join to a commit, and sees the refusals
// that a commit may meet.
func TestClient_wholeChange(t *testing.T) {
	ctx := context.Background()
	n := admintest.New(t, "n1")
	c := client(t, n)
	if _, err := c.Commit(ctx, 1); !errors.Is(err, topology.ErrNothingPlanned) {
		t.Errorf("commit without a plan: %v", err)
	}
	if _, err := c.StagedPlan(ctx); !errors.Is(err, topology.ErrNothingPlanned) {
		t.Errorf("no plan is staged: %v", err)
	}
	n.Add("n2")
	plan, err := c.Plan(ctx)
	if err != nil || plan.Count != 4 || len(plan.Changes) != 1 {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	n.Add("n3")
	if _, err := c.Commit(ctx, plan.PlanVersion); !errors.Is(err, topology.ErrPlanChanged) {
		t.Errorf("commit of a plan that the record left behind: %v", err)
	}
	if _, err := c.StagedPlan(ctx); !errors.Is(err, topology.ErrPlanChanged) {
		t.Errorf("report of a plan that the record left behind: %v", err)
	}
	if _, err := c.Clear(ctx, "n3"); err != nil {
		t.Error(err)
	}
	if plan, err = c.Plan(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Commit(ctx, plan.PlanVersion); err != nil {
		t.Fatal(err)
	}
	r, err := c.Ring(ctx)
	if err != nil || len(r.Moves) != 4 {
		t.Fatalf("ring %+v, %v", r, err)
	}
	move := admin.MoveRequest{Partition: r.Moves[0].Partition, To: "n1"}
	if done, err := c.Move(ctx, move); err != nil || !done.Changed {
		t.Errorf("move: %+v, %v", done, err)
	}
	if done, err := c.Move(ctx, move); err != nil || done.Changed {
		t.Errorf("move again: %+v, %v", done, err)
	}
	if _, err := c.TransferLimit(ctx, "n2", 3); err != nil {
		t.Error(err)
	}
	moved, err := c.Transfers(ctx)
	if err != nil || len(moved.Limits) != 2 || moved.Limits[1].Limit != 3 {
		t.Errorf("transfers %+v, %v", moved, err)
	}
}

// TestClient_unreachable tells an address where nothing listens from an answer
// that was lost.
func TestClient_unreachable(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	c, err := admin.NewClient(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Leave(t.Context(), "n1"); !errors.Is(err, cluster.ErrUnknown) {
		t.Errorf("a change whose answer is lost: %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, admin.ErrUnreachable) {
		t.Errorf("a read whose answer is lost: %v", err)
	}
	s.Close()
	if _, err := c.Leave(t.Context(), "n1"); !errors.Is(err, admin.ErrUnreachable) || !strings.Contains(err.Error(), "BATON_ADMIN") {
		t.Errorf("a change that nobody heard: %v", err)
	}
	if _, err := admin.NewClient("ftp://x"); !errors.Is(err, admin.ErrRequest) {
		t.Errorf("an address that is none: %v", err)
	}
}

func TestClient_notANode(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c, err := admin.NewClient(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "not a Baton node's") {
		t.Errorf("error %v", err)
	}
}
