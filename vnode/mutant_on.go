//go:build mutant_fold_at_starting

package vnode

const foldAtStarting = true
