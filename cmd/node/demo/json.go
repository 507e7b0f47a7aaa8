package demo

import (
	"encoding/json"
	"fmt"
	"io"
)

// NewJSON returns an Output that writes each event as one JSON object on a line
// of its own, and of a progress one for each percent. Every object but the Summary begins with the key "event"; the
// Summary has exactly its own keys.
func NewJSON(w io.Writer) Output { return &jsonOutput{w: w, steps: steps{per: 100}} }

type jsonOutput struct {
	w     io.Writer
	steps steps
}

func (o *jsonOutput) Show(e Event) error {
	if !o.steps.reached(e) {
		return nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s: %w", e.name(), err)
	}
	if _, last := e.(Summary); !last {
		body = append([]byte(fmt.Sprintf(`{"event":%q,`, e.name())), body[1:]...)
	}
	_, err = o.w.Write(append(body, '\n'))
	return err
}
