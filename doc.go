// Package baton runs a partitioned, elastic, stateful service: a ring of
// partitions, each served by a vnode, on nodes that join and leave while the
// service goes on. Pipelines and MapReduce run where the data is.
//
//	a, err := baton.Start(ctx, baton.Options{Name: "a", Bootstrap: true})
//	b, err := baton.Start(ctx, baton.Options{Name: "b", Join: []string{a.Addr()}})
//	err = a.Rebalance(ctx) // plan, commit, and wait until the partitions have moved
//	err = a.KV().Put(ctx, kv.Object{Bucket: "pages", Key: "1", Value: text})
//	run, err := baton.RunJob(ctx, a, mapreduce.WordCount(), baton.Bucket("pages"))
//	for word, n := range run.All() { ... }
//
// A vnode kind of one's own implements vnode.Kind and is registered in
// Options.Kinds on every node; Node.Command reaches it by key. Jobs are
// registered in Options.Jobs, again the same ones on every node, since functions
// do not travel.
//
// What is promised: a command that was acknowledged is not lost and not done
// twice by any planned move; a job's results are complete and exact, or the job
// ends with an error. An outcome that can't be known is reported as
// ErrUnknownOutcome and nothing is repeated behind the caller's back.
//
// Invariants:
//
//   - I1 Start leaves nothing behind when it fails: no listener, no goroutine, no member.
//   - I2 Stop returns when every goroutine of the node has ended.
//   - I3 A node that is stopped without leaving stays a member; started again on its data directory, it is the same node in a new life.
//   - I4 Only Bootstrap (or BootstrapExpect, when all that are expected run) creates a cluster; a node that joins never does.
//   - I5 A node that another process has taken the place of, or that was removed, ends by itself (Done, Err).
package baton
