package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/test/history"
)

// Load is what Clients do.
type Load struct {
	// Type is the bucket type, Bucket the bucket.
	Type, Bucket string
	// Clients is how many there are, Keys how many keys they share. Of every second key
	// nobody deletes anything.
	Clients, Keys int
	// Pause is the pause of a client between two operations; default 10 ms.
	Pause time.Duration
}

// Clients write and read objects through all nodes, concurrently and until they are stopped, and
// record what they did and saw.
type Clients struct {
	History *history.History

	c    *Cluster
	load Load
	stop chan struct{}
	work sync.WaitGroup

	mu      sync.Mutex
	strange map[string]int // errors without a meaning for the history
}

// opTimeout is how long a client waits for an answer.
const opTimeout = 5 * time.Second

// Drive starts clients. The source of random choices gives each of them a seed.
func (c *Cluster) Drive(r *rand.Rand, load Load) *Clients {
	if load.Pause == 0 {
		load.Pause = 10 * time.Millisecond
	}
	l := &Clients{History: history.New(), c: c, load: load, stop: make(chan struct{}), strange: map[string]int{}}
	for i := range load.Clients {
		s := &session{l: l, id: i, r: rand.New(rand.NewPCG(r.Uint64(), uint64(i))), seen: map[string]sight{}}
		l.work.Go(s.run)
	}
	return l
}

// Stop ends the clients, and returns when their last operations have ended.
func (l *Clients) Stop() {
	close(l.stop)
	l.work.Wait()
	l.c.t.Logf("clients of %s: %v", l.load.Type, l.History.Counts())
	for text, count := range l.strange {
		l.c.t.Logf("%d times: %s", count, text)
	}
}

// key names a key; those of odd numbers are not deleted.
func key(i int) string { return fmt.Sprintf("%04d", i) }

// ReadAll reads every key from all its primaries through the nodes, as the end of the history. A read
// that fails is repeated.
func (l *Clients) ReadAll(nodes ...*Node) {
	l.c.t.Helper()
	l.History.Final()
	s := &session{l: l, seen: map[string]sight{}, reads: kv.ReadOptions{R: bucket.All, PR: bucket.All, Sloppy: kv.No}}
	for i := range l.load.Keys {
		for _, n := range nodes {
			l.c.Await("a read of "+key(i)+" at "+string(n.Name), func() error { return s.get(n, key(i)) })
		}
	}
}

// List returns the keys that the node lists.
func (l *Clients) List(n *Node) (keys []string) {
	l.c.t.Helper()
	n.Do("list", func(ctx context.Context, a *admin.Client) error {
		keys = nil
		for o, err := range a.List(ctx, admin.ListRequest{Type: l.load.Type, Bucket: l.load.Bucket, KeysOnly: true}) {
			if err != nil {
				return err
			}
			keys = append(keys, string(o.Key))
		}
		return nil
	})
	return keys
}

// session is one client.
type session struct {
	l     *Clients
	id    int
	puts  int
	r     *rand.Rand
	reads kv.ReadOptions
	seen  map[string]sight
}

// sight is what a client knows of a key.
type sight struct {
	context kv.Context
	values  []string
}

func (s *session) run() {
	pause := time.NewTicker(s.l.load.Pause)
	defer pause.Stop()
	for {
		select {
		case <-s.l.stop:
			return
		case <-pause.C:
		}
		nodes := s.l.c.Nodes()
		if s.r.IntN(20) > 0 { // now and then a client has not heard of it
			nodes = slices.DeleteFunc(nodes, func(n *Node) bool { return n.running() == nil })
		}
		if len(nodes) > 0 {
			s.step(nodes[s.r.IntN(len(nodes))])
		}
	}
}

// step is one operation: four of ten are reads. What was read may be long ago when it is written over.
func (s *session) step(n *Node) {
	i := s.r.IntN(s.l.load.Keys)
	switch choice := s.r.IntN(20); {
	case choice < 8:
		_ = s.get(n, key(i)) // what failed says nothing
	case choice < 9:
		delete(s.seen, key(i))
		s.put(n, key(i))
	case choice < 11 && i%2 == 0:
		s.remove(n, key(i))
	default:
		if s.seen[key(i)].context == "" && s.get(n, key(i)) != nil {
			return
		}
		s.put(n, key(i))
	}
}

func (s *session) name(key string) admin.Name {
	return admin.Name{Type: s.l.load.Type, Bucket: s.l.load.Bucket, Key: key}
}

func (s *session) get(n *Node, key string) error {
	h := s.l.History
	op := h.Begin(history.Op{Kind: history.Get, Key: key, Via: n.Label})
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	o, err := n.client().Get(ctx, admin.GetRequest{Name: s.name(key), Options: s.reads})
	switch {
	case errors.Is(err, kv.ErrNotFound):
		h.End(op, history.Op{Outcome: history.OK})
		delete(s.seen, key)
		return nil
	case err != nil:
		s.outcome(err)
		h.End(op, history.Op{Outcome: history.NotDone})
		return err
	}
	sight := sight{context: kv.Context(o.Context)}
	for _, c := range o.Contents {
		sight.values = append(sight.values, string(c.Value))
	}
	h.End(op, history.Op{Outcome: history.OK, Values: sight.values, Context: sight.context})
	s.seen[key] = sight
	return nil
}

func (s *session) put(n *Node, key string) {
	s.puts++
	value, seen := fmt.Sprintf("%s/%d/%d", key, s.id, s.puts), s.seen[key]
	h := s.l.History
	op := h.Begin(history.Op{Kind: history.Put, Key: key, Via: n.Label, Value: value, Seen: seen.values})
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	w, err := n.client().Put(ctx, admin.PutRequest{Object: kv.Object{
		Type: s.l.load.Type, Bucket: s.l.load.Bucket, Key: key, Value: []byte(value), ContentType: "text/plain", Context: seen.context,
	}})
	h.End(op, history.Op{Outcome: s.outcome(err), Context: kv.Context(w.Context)})
	delete(s.seen, key)
	if err == nil && len(w.Context) > 0 {
		s.seen[key] = sight{kv.Context(w.Context), []string{value}}
	}
}

func (s *session) remove(n *Node, key string) {
	seen := s.seen[key]
	if seen.context == "" && s.get(n, key) == nil {
		seen = s.seen[key]
	}
	if seen.context == "" {
		return
	}
	h := s.l.History
	op := h.Begin(history.Op{Kind: history.Delete, Key: key, Via: n.Label, Seen: seen.values})
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	_, err := n.client().Delete(ctx, admin.DeleteRequest{Name: s.name(key), Context: seen.context})
	h.End(op, history.Op{Outcome: s.outcome(err)})
	delete(s.seen, key)
}

// outcome says what an error means for what was asked, and counts those that should not be.
func (s *session) outcome(err error) history.Outcome {
	switch {
	case err == nil:
		return history.OK
	case errors.Is(err, kv.ErrNotDone), errors.Is(err, admin.ErrUnreachable):
		return history.NotDone
	case errors.Is(err, kv.ErrUnknown):
		return history.Unknown
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.l.strange[err.Error()]++
	return history.Unknown
}

// CreateType makes a bucket type that can be used at all nodes.
func (c *Cluster) CreateType(via *Node, name string, properties ...string) {
	c.t.Helper()
	c.Want(via.CLI(append([]string{"bucket-type", "create", name}, properties...)...), 0)
	c.Want(via.CLI("bucket-type", "activate", name), 0)
	c.Agree(c.Nodes()...)
}

// Whole waits until every copy has all data that was acknowledged, and no fallback has any.
func (c *Cluster) Whole(via *Node) {
	c.t.Helper()
	c.Settle(via)
	c.Await("all copies to be whole", func() error {
		s := via.Record() // the newest: an older one does not know of what was lost since
		for h := range s.AllHints() {
			return fmt.Errorf("hint %+v is open", h)
		}
		for p, part := range s.Parts(kv.KindName) {
			if part.Incomplete {
				return fmt.Errorf("partition %d of %s is incomplete since version %d", p, part.Owner, part.Since)
			}
		}
		return nil
	})
}
