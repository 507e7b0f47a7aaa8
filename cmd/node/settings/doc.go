// Package settings is the configuration of `baton start`: one list of settings,
// each of them a flag, an environment variable and a key of a file.
//
//	flag --ring-size  >  BATON_RING_SIZE  >  "ring-size = 64" in the file  >  default
//
// The file has a setting on each line, "key = value"; a line that begins with #
// is a comment, lists are separated by commas, and a value may be in double
// quotes.
//
// Invariants:
//
//	I1  each setting has one name in all three places
//	I2  an unknown key of the file is an error that names the nearest known one
//	I3  a secret is never shown
package settings
