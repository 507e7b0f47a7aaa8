package hashtree

// A Counter counts the keys of the first open block, from its mark on. It is
// good until the tree is changed by anyone else.
type Counter struct {
	tree     *Tree
	g, b     int
	from, to string
}

// Counter returns a counter for the first open block, nil if there is none.
func (t *Tree) Counter() *Counter {
	if t.open == 0 {
		return nil
	}
	for g := range t.groups {
		for b := range t.groups[g].blocks {
			if bl := &t.groups[g].blocks[b]; bl.open {
				return &Counter{tree: t, g: g, b: b, from: bl.mark, to: t.end(g, b)}
			}
		}
	}
	return nil
}

// From is where the keys to be counted begin.
func (c *Counter) From() string { return c.from }

// To is where they end, empty for the end of all keys.
func (c *Counter) To() string { return c.to }

// Add counts the next key, in ascending order from From to To. It keeps nothing
// of the key.
func (c *Counter) Add(key []byte, hash, term uint64) {
	t := c.tree
	bl := &t.groups[c.g].blocks[c.b]
	if beginsBlock(hash) && bl.start != string(key) {
		c.close()
		t.insert(c.g, c.b, string(key), beginsGroup(hash))
		if beginsGroup(hash) {
			c.g, c.b = c.g+1, 0
		} else {
			c.b++
		}
	}
	t.add(c.g, c.b, term, 1)
}

// Stop ends the count before the key next: all keys below are counted.
func (c *Counter) Stop(next []byte) {
	c.tree.groups[c.g].blocks[c.b].mark = string(next)
}

// Finish ends the count at To: the block is counted whole.
func (c *Counter) Finish() { c.close() }

func (c *Counter) close() {
	bl := &c.tree.groups[c.g].blocks[c.b]
	bl.open, bl.mark = false, ""
	c.tree.open--
}
