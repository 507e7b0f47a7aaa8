package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"

	"github.com/hashicorp/go-hclog"
)

// A logger hands what the libraries log to slog. Their accounts of every election and connection are
// debug output here, as are connections that this side closed; what they warn of happens at every start
// and election, and is information.
type logger struct{ log *slog.Logger }

var _ hclog.Logger = logger{}

func level(l hclog.Level) slog.Level {
	switch l {
	case hclog.Warn:
		return slog.LevelInfo
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelDebug
}

func (l logger) Log(lv hclog.Level, msg string, args ...any) {
	at := level(lv)
	for _, a := range args {
		if err, ok := a.(error); ok && errors.Is(err, net.ErrClosed) {
			at = slog.LevelDebug
		}
	}
	if !l.log.Enabled(context.Background(), at) {
		return
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	l.log.Log(context.Background(), at, msg, args...)
}

func (l logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l logger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l logger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l logger) is(lv hclog.Level) bool { return l.log.Enabled(context.Background(), level(lv)) }

func (l logger) IsTrace() bool { return l.is(hclog.Trace) }
func (l logger) IsDebug() bool { return l.is(hclog.Debug) }
func (l logger) IsInfo() bool  { return l.is(hclog.Info) }
func (l logger) IsWarn() bool  { return l.is(hclog.Warn) }
func (l logger) IsError() bool { return l.is(hclog.Error) }

func (l logger) ImpliedArgs() []any             { return nil }
func (l logger) With(args ...any) hclog.Logger  { return logger{l.log.With(args...)} }
func (l logger) Name() string                   { return "" }
func (l logger) Named(string) hclog.Logger      { return l }
func (l logger) ResetNamed(string) hclog.Logger { return l }
func (l logger) SetLevel(hclog.Level)           {}
func (l logger) GetLevel() hclog.Level          { return hclog.NoLevel }
func (l logger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.log.Handler(), slog.LevelDebug)
}

func (l logger) StandardWriter(o *hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(o).Writer()
}
