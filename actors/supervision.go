package actors

import (
	"context"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
)

// stopOnPanic stops an actor that panics. Restarting it would give it fresh
// state in the middle of what it was doing; its owner sees it end and decides.
// Handlers of modules and workers are guarded on their own, so a panic here is a
// broken invariant of this package.
var stopOnPanic = actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })

// quiet passes on what the actor library logs from Warn up. Messages to actors
// that have ended are part of every stop.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(atLeastWarn{log.Handler()}) }

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}
