package mapreduce

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// PhaseError is what a phase of a query did wrong. Its text is the JSON that
// clients get: strings of at most 500 bytes, null for what there is none of.
type PhaseError struct {
	Phase int    `json:"phase"`
	Text  string `json:"error"`
	Input string `json:"input"` // as JSON; empty where no single input is to blame
	Type  string `json:"type"`  // "error" for what a function returned, "panic", or "memory"
	Stack string `json:"stack"` // where a function panicked or threw; may be empty
	Cause error  `json:"-"`     // nil on the node that asked
}

// maxErrorText bounds each string of a PhaseError, in bytes.
const maxErrorText = 500

// Error returns the JSON.
func (e *PhaseError) Error() string {
	orNull := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	text, _ := query.AppendJSON(nil, map[string]any{
		"phase": int64(e.Phase), "error": e.Text, "input": orNull(e.Input), "type": orNull(e.Type), "stack": orNull(e.Stack),
	})
	return string(text)
}

// Unwrap returns the cause.
func (e *PhaseError) Unwrap() error { return e.Cause }

// A Trace is an error that knows where in the source of a function it happened.
type Trace interface {
	error
	Trace() string
}

// explain makes a PhaseError of what went wrong; input is nil for none.
func (w *phaseWorker) explain(err error, input any) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*PhaseError](err); ok {
		return err
	}
	e := &PhaseError{Phase: w.step.number, Text: cutText(err.Error()), Type: "error", Cause: err}
	if input != nil {
		if text, err := query.AppendJSON(nil, input); err == nil {
			e.Input = cutText(string(text))
		}
	}
	if p, ok := errors.AsType[*PanicError](err); ok {
		e.Type, e.Stack = "panic", p.Where
	}
	if t, ok := errors.AsType[Trace](err); ok {
		e.Stack = cutText(t.Trace())
	}
	if errors.Is(err, ErrMemory) {
		e.Type = "memory"
	}
	return e
}

func cutText(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxErrorText)], "")
}

// ParsePhaseError returns the error whose text another node has sent, if it is
// one.
func ParsePhaseError(text string) (*PhaseError, error) {
	var e PhaseError
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Text == "" {
		return nil, fmt.Errorf("error of a phase of %d bytes: %w", len(text), ErrDamaged)
	}
	if e.Type == "memory" {
		e.Cause = ErrMemory
	}
	return &e, nil
}
