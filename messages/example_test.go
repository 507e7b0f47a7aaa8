package messages_test

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/messages"
)

func ExampleParseFrame() {
	sent := messages.Frame{
		Header:  messages.Header{Type: messages.TypeRequest, From: "alpha", To: "beta", Kind: "kv", Partition: 7, Seq: 42},
		Payload: []byte("get k"),
	}
	wire, err := messages.AppendFrame(nil, &sent)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, n, err := messages.ParseFrame(wire, nil)
	fmt.Println(got.Type, got.From, got.Kind, got.Partition, got.Seq, string(got.Payload), n == len(wire), err)
	wire[100] ^= 1
	_, _, err = messages.ParseFrame(wire, nil)
	fmt.Println(errors.Is(err, messages.ErrDamaged))
	// Output:
	// request alpha kv 7 42 get k true <nil>
	// true
}

func ExampleFrame_Fail() {
	answer := messages.Frame{Header: messages.Header{Type: messages.TypeResponse, Seq: 42}}
	answer.Fail(&messages.Error{Code: uint32(messages.CodeWrongOwner), Op: "put", Operand: "kv/7", Owner: "gamma", Epoch: 3})
	err := answer.Err()
	var e *messages.Error
	if errors.As(err, &e) {
		fmt.Println(errors.Is(err, messages.ErrWrongOwner), e.Owner, e.Epoch)
	}
	fmt.Println(err)
	// Output:
	// true gamma 3
	// put kv/7: wrong owner
}
