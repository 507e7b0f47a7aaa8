package hashtree_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/kv/hashtree"
)

const tag = 7

// keys are chosen so that every third one begins a block and some begin a group.
var keys = func() (all []string) {
	var plain, blocks, groups []string
	for i := 0; len(groups) < 3 || len(plain) < 30; i++ {
		k := fmt.Sprintf("key-%d", i)
		switch h := hashtree.Hash([]byte(k)); {
		case h%hashtree.GroupKeys == 0 && len(groups) < 3:
			groups = append(groups, k)
		case h%hashtree.BlockKeys == 0 && len(blocks) < 12:
			blocks = append(blocks, k)
		case len(plain) < 30:
			plain = append(plain, k)
		}
	}
	all = slices.Concat(plain, blocks, groups)
	slices.Sort(all)
	return all
}()

// copyOf is one copy of the keys: what is stored, the tree in memory, and the
// tree as it is stored.
type copyOf struct {
	terms map[string]uint64
	tree  *hashtree.Tree
	disk  map[string][]byte
}

func newCopy() *copyOf {
	return &copyOf{terms: map[string]uint64{}, tree: hashtree.New(), disk: map[string][]byte{}}
}

func (c *copyOf) set(key string, term uint64) {
	m := c.tree.Change([]byte(key), hashtree.Hash([]byte(key)), c.terms[key], term)
	if m.Void {
		c.disk[m.Block] = hashtree.AppendVoid(nil, tag)
	}
	if m.Gone {
		delete(c.disk, key)
	}
	if c.terms[key] = term; term == 0 {
		delete(c.terms, key)
	}
}

func (c *copyOf) sorted() []string { return slices.Sorted(maps.Keys(c.terms)) }

// count counts at most limit keys of the first open block.
func (c *copyOf) count(limit int) {
	n := c.tree.Counter()
	if n == nil {
		return
	}
	for _, k := range c.sorted() {
		if k < n.From() || n.To() != "" && k >= n.To() {
			continue
		}
		if limit == 0 {
			n.Stop([]byte(k))
			return
		}
		limit--
		n.Add([]byte(k), hashtree.Hash([]byte(k)), c.terms[k])
	}
	n.Finish()
}

func (c *copyOf) countAll() {
	for c.tree.Open() > 0 {
		c.count(5)
	}
}

func (c *copyOf) save(limit int) (more bool) {
	return c.tree.Save(tag, limit, func(start string, item []byte) { c.disk[start] = item })
}

func (c *copyOf) reload() {
	l := hashtree.NewLoader(tag)
	for _, start := range slices.Sorted(maps.Keys(c.disk)) {
		if !l.Add(start, c.disk[start]) {
			delete(c.disk, start)
		}
	}
	c.tree = l.Tree()
}

func anew(terms map[string]uint64) *copyOf {
	c := newCopy()
	c.terms = terms
	c.countAll()
	return c
}

func all(t *hashtree.Tree) (groups, blocks []hashtree.Node) {
	groups, _ = t.Groups("", "", 1<<20)
	blocks, _ = t.Leaves("", "", 1<<20)
	return groups, blocks
}

// compare fails unless both trees are the same in every way that can be seen.
func compare(t interface{ Fatalf(string, ...any) }, got, want *hashtree.Tree) {
	gotGroups, gotBlocks := all(got)
	wantGroups, wantBlocks := all(want)
	if d := cmp.Diff(wantGroups, gotGroups); d != "" {
		t.Fatalf("groups, -anew +kept up:\n%s", d)
	}
	if d := cmp.Diff(wantBlocks, gotBlocks); d != "" {
		t.Fatalf("blocks, -anew +kept up:\n%s", d)
	}
	gk, gs := got.Sum()
	if wk, ws := want.Sum(); gk != wk || gs != ws {
		t.Fatalf("root %d %x, anew %d %x", gk, gs, wk, ws)
	}
}

// TestTree_keptUp: I1, I2, I3. Whatever is written, counted, saved and lost in
// crashes, the tree that was kept up is in the end the one that is made anew.
func TestTree_keptUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCopy()
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				c.count(rapid.IntRange(0, 20).Draw(t, "limit"))
			case 1:
				c.save(rapid.IntRange(0, 4).Draw(t, "limit"))
			case 2:
				c.countAll()
			case 3:
				c.reload() // a crash: the store has all batches, the tree is gone
			default:
				k := rapid.SampledFrom(keys).Draw(t, "key")
				c.set(k, uint64(rapid.IntRange(0, 2).Draw(t, "term"))*uint64(len(k))*0x9e3779b97f4a7c15)
			}
			k, s := c.tree.Sum()
			_, blocks := all(c.tree)
			for _, b := range blocks {
				k, s = k-b.Keys, s-b.Sum
			}
			if k != 0 || s != 0 {
				t.Fatalf("the root has %d keys and %x more than the blocks", k, s)
			}
		}
		want := anew(c.terms)
		c.countAll()
		compare(t, c.tree, want.tree)
		for c.save(3) {
		}
		c.reload()
		if c.tree.Open() != 0 {
			t.Fatalf("%d blocks are open after a load of what was saved whole", c.tree.Open())
		}
		compare(t, c.tree, want.tree)
	})
}

// TestDiff_covers: I4, and equal copies have no difference.
func TestDiff_covers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := newCopy(), newCopy()
		for _, k := range keys {
			switch rapid.IntRange(0, 3).Draw(t, k) {
			case 0:
			case 1:
				a.set(k, 5)
				b.set(k, 5)
			case 2:
				a.set(k, uint64(len(k)))
			default:
				b.set(k, uint64(len(k)*7))
			}
		}
		a.countAll()
		b.countAll()
		for level, nodes := range map[string]func(*hashtree.Tree) []hashtree.Node{
			"groups": func(t *hashtree.Tree) []hashtree.Node { g, _ := all(t); return g },
			"blocks": func(t *hashtree.Tree) []hashtree.Node { _, b := all(t); return b },
		} {
			ranges := hashtree.Diff(nil, nodes(a.tree), nodes(b.tree), "", "")
			for _, k := range keys {
				in := slices.ContainsFunc(ranges, func(r hashtree.Range) bool { return r.From <= k && (r.To == "" || k < r.To) })
				if a.terms[k] != b.terms[k] && !in {
					t.Fatalf("%s: %q differs and is in none of %+v", level, k, ranges)
				}
			}
			for _, r := range ranges {
				same := true
				for _, k := range keys {
					if r.From <= k && (r.To == "" || k < r.To) && a.terms[k] != b.terms[k] {
						same = false
					}
				}
				if same {
					t.Fatalf("%s: nothing differs in %+v", level, r)
				}
			}
		}
	})
}

// TestTree_lists checks that lists in pages are the whole list.
func TestTree_lists(t *testing.T) {
	c := newCopy()
	for i, k := range keys {
		c.set(k, uint64(i+1))
	}
	c.countAll()
	for name, list := range map[string]func(from, to string, limit int) ([]hashtree.Node, string){
		"groups": c.tree.Groups, "blocks": c.tree.Leaves,
	} {
		whole, _ := list("", "", 1000)
		var paged []hashtree.Node
		for from := ""; ; {
			page, through := list(from, "", 2)
			paged = append(paged, page...)
			if through == "" {
				break
			}
			from = through
		}
		if d := cmp.Diff(whole, paged); d != "" {
			t.Errorf("%s, -whole +paged:\n%s", name, d)
		}
		part, through := list(whole[1].Start, whole[3].Start, 100)
		if d := cmp.Diff(whole[1:3], part); d != "" || through != whole[3].Start {
			t.Errorf("%s, part through %q:\n%s", name, through, d)
		}
	}
}

// TestLoader_lost: an item that is lost, or of another tag, opens what it stood for.
func TestLoader_lost(t *testing.T) {
	c := newCopy()
	for i, k := range keys {
		c.set(k, uint64(i+1))
	}
	c.countAll()
	c.save(1 << 20)
	want := anew(c.terms)
	for _, start := range slices.Sorted(maps.Keys(c.disk)) {
		item := c.disk[start]
		for what, lose := range map[string]func(){
			"lost":      func() { delete(c.disk, start) },
			"of before": func() { c.disk[start] = append(hashtree.AppendVoid(nil, tag+1), item[9:]...) },
			"cut short": func() { c.disk[start] = item[:len(item)-1] },
			"void":      func() { c.disk[start] = hashtree.AppendVoid(nil, tag) },
		} {
			lose()
			c.reload()
			if c.tree.Open() == 0 {
				t.Errorf("the item of %q is %s and no block is open", start, what)
			}
			c.countAll()
			compare(t, c.tree, want.tree)
			c.disk[start] = item
		}
	}
}

// FuzzCutNodes: what decodes encodes to the same list, nothing panics.
func FuzzCutNodes(f *testing.F) {
	f.Add(hashtree.AppendNodes(nil, []hashtree.Node{{Start: "", Keys: 3, Sum: 9}, {Start: "ab", Keys: 1 << 40, Sum: 1}, {Start: "abc"}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		nodes, rest, err := hashtree.CutNodes(b)
		if err != nil {
			return
		}
		again, left, err := hashtree.CutNodes(append(hashtree.AppendNodes(nil, nodes), rest...))
		if err != nil || len(left) != len(rest) || !slices.Equal(again, nodes) {
			t.Fatalf("%+v came back as %+v, %v", nodes, again, err)
		}
	})
}

func full(n int) (*hashtree.Tree, [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, "type\x00\x01bucket\x00\x01user-%016x", r.Uint64())
	}
	slices.SortFunc(all, func(a, b []byte) int { return slices.Compare(a, b) })
	t := hashtree.New()
	for c := t.Counter(); c != nil; c = t.Counter() {
		for _, k := range all {
			c.Add(k, hashtree.Hash(k), 1)
		}
		c.Finish()
	}
	return t, all
}

// BenchmarkChange is the update of a tree of a million keys by one write.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t, all := full(n)
			r := rand.New(rand.NewPCG(3, 4))
			at := make([]int, 1<<16)
			for i := range at {
				at[i] = r.IntN(n)
			}
			identity := make([]byte, 24)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				k := all[at[i&(len(at)-1)]]
				h := hashtree.Hash(k)
				t.Change(k, h, 1, hashtree.Term(h, identity))
				t.Change(k, h, hashtree.Term(h, identity), 1)
			}
			b.StopTimer()
			b.ReportMetric(float64(t.Bytes())/float64(n), "B/key")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/change")
		})
	}
}

// TestChange_allocations: I5.
func TestChange_allocations(t *testing.T) {
	tree, all := full(10_000)
	k := all[5_000]
	h := hashtree.Hash(k)
	if h%hashtree.BlockKeys == 0 {
		t.Fatal("the key begins a block")
	}
	if n := testing.AllocsPerRun(100, func() { tree.Change(k, h, 1, 2); tree.Change(k, h, 2, 1) }); n != 0 {
		t.Errorf("%v allocations for two changes", n)
	}
	if perKey := float64(tree.Bytes()) / 10_000; perKey > 2 {
		t.Errorf("%.1f bytes for each key", perKey)
	}
}
