package main

import (
	"errors"
	"net/http"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/bench"
	"github.com/dee2748c/baton/cmd/node/demo"
	"github.com/dee2748c/baton/cmd/node/settings"
	"github.com/dee2748c/baton/kv"
)

// Exit codes; doc.go says what each means.
const (
	exitDone        = 0
	exitNegative    = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitRefused     = 4
)

// ranError marks an error of a subcommand that began to run. Whatever fails
// before that (a flag, an argument, a name) is a matter of usage.
type ranError struct{ err error }

func (e *ranError) Error() string { return e.err.Error() }
func (e *ranError) Unwrap() error { return e.err }

// ran wraps the error of a subcommand's work; nil stays nil.
func ran(err error) error {
	if err == nil {
		return nil
	}
	return &ranError{err}
}

// usageError is an argument that turned out wrong after the command began.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// negative errors say that the command worked and the answer is no.
var negative = []error{demo.ErrInexact, errNotReady, errFindings, bench.ErrCount, kv.ErrNotFound, kv.ErrExists, kv.ErrModified, errSiblings}

// refused errors of a start say that this is not the process to run.
var refused = []error{baton.ErrDirInUse, baton.ErrIdentity, baton.ErrRecordLost, baton.ErrRemoved, baton.ErrFenced}

// exitCode is the one place where an error becomes an exit code. What is not
// known here may have happened or not: unavailable or unknown.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	var began *ranError
	status := admin.StatusOf(err)
	switch {
	case !errors.As(err, &began), badInput(err):
		return exitUsage
	case isOne(err, negative):
		return exitNegative
	case status == http.StatusConflict, isOne(err, refused):
		return exitRefused
	case status < http.StatusInternalServerError:
		return exitUsage
	}
	return exitUnavailable
}

// badInput reports whether the user has to change what was asked.
func badInput(err error) bool {
	var option *baton.OptionError
	var flag *demo.OptionError
	var benchFlag *bench.OptionError
	var input *demo.InputError
	var setting *settings.Error
	var usage *usageError
	return errors.Is(err, baton.ErrAddrInUse) || errors.Is(err, baton.ErrBackup) || errors.As(err, &usage) || errors.As(err, &option) || errors.As(err, &flag) || errors.As(err, &benchFlag) || errors.As(err, &input) || errors.As(err, &setting)
}

func isOne(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
