//go:build !race

package baton_test

const raceEnabled = false
