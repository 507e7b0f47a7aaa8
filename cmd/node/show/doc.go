// Package show turns answers of the admin API into text for people, in the
// layout that operators of such rings know: tables of members, staged changes,
// and transfers.
//
//	admin.Plan --Plan--> lines
//	admin.Transfers, admin.Transfers --Changes--> what is new, one line each
//
// Everything here is a pure function of the answer. No function writes colours
// or moves the cursor; that is left to who knows that a terminal is there.
//
// Invariants:
//
//	I1  columns are aligned, and no line ends with a space
//	I2  what an answer warns of stands before what it recommends
package show
