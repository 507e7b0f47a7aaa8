// Package admintest is a node for tests of the admin API and of its clients: a
// real record in memory, without sockets, partitions or peers.
//
//	n := admintest.New(t, "n1")           // a cluster of one, ring size 8
//	n.Add("n2")                           // asks to join
//	s := httptest.NewServer(admin.NewHandler(admin.Options{Node: n, Changes: true}))
//
// Invariants: what the record refuses is refused here with the same error; the
// rest (health, progress, sizes, agreement) is what a test sets.
package admintest
