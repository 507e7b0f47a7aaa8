// Package quorum proves how package actors runs requests to several replicas:
// hosts on a switchboard, with a kind that counts what it was told, and machines
// that count how each of their Sends ended.
//
// Invariants: those of package replica, and I1 to I5 of package actors.
package quorum
