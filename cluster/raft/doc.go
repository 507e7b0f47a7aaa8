// Package raft keeps the record in a replicated log of its own: the default, with nothing to install.
package raft
