package actors_test

import (
	"context"
	"fmt"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// printer is a Handler that shows what comes.
type printer struct{ arrived chan struct{} }

func (p printer) HandleFrame(f messages.Frame) {
	fmt.Printf("%v %d from %s: %s\n", f.Type, f.Seq, f.From, f.Payload)
	p.arrived <- struct{}{}
}
func (printer) HandleLink(actors.LinkEvent)        {}
func (printer) HandleStream(s actors.Stream) error { return messages.ErrRefused }

func ExampleSwitchboard() {
	board := actors.NewSwitchboard(actors.SwitchboardOptions{Seed: 1})
	cluster := [16]byte{1}
	alpha, _ := board.Node(actors.TransportOptions{Node: "alpha", Incarnation: 1, ClusterID: cluster})
	beta, _ := board.Node(actors.TransportOptions{Node: "beta", Incarnation: 1, ClusterID: cluster})
	p := printer{make(chan struct{})}
	fmt.Println(alpha.Serve(p), beta.Serve(p))

	to := actors.Peer{Node: "beta", Incarnation: 1, Addr: beta.Addr()}
	f := messages.Frame{Header: messages.Header{Type: messages.TypeRequest, Seq: 42}, Payload: []byte("get k")}
	if err := alpha.Send(to, f); err != nil {
		fmt.Println(err)
	}
	<-p.arrived

	board.Cut("alpha", "beta")
	_, err := alpha.OpenStream(context.Background(), to)
	fmt.Println(err)
	fmt.Println(alpha.Close(context.Background()), beta.Close(context.Background()))
	// Output:
	// <nil> <nil>
	// request 42 from alpha: get k
	// connect to beta at beta: line from alpha to beta cut: unavailable
	// <nil> <nil>
}
