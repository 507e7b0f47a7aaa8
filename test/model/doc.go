// Package model checks models of the protocols with Spin: every order of steps, within bounds.
//
//	testdata/*.pml --spin--> a verifier in C --cc--> every state --> no error | what went wrong
//
// The models stand for cluster/topology, vnode, handoff and the tombstones of kv; they are written by
// hand, so a change of those packages has to be made here too. Each rule of a model can be removed by a
// define, and then the model must fail: a rule that can be removed unnoticed is not checked.
//
// Spin is the program that BATON_SPIN names, or of the path in its pinned version, or it is fetched
// from the Debian archive with apt-get, without being installed, and kept in the user's cache. Without Spin or a C compiler
// the test is skipped and says so. BATON_SOAK widens the bounds.
//
// Invariants:
//
//	I1 a model counts as checked only if the verifier ended by itself and cut nothing off
//	I2 every rule that can be removed is found missing
package model
