//go:build !mutant_fold_at_starting

package vnode

// foldAtStarting is the founding race as a switch: true makes a vnode take
// itself for moving as soon as the module agreed to start, before FOLD_REQ. The
// tests of test/foundingrace are run with it and must fail.
const foldAtStarting = false
