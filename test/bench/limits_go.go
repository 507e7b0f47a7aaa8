package main

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// limitLoop is a loop over a channel of slices: what the batched pipe can't
// beat on one machine.
var limitLoop = Limit{Case: Case{Name: "go/channel-of-slices", Unit: "inputs/s", Run: func(m *Meter) error {
	const batch = 256
	batches := m.Count(400_000)
	items := make([][]byte, batch)
	for i := range items {
		items[i] = []byte{byte(i), 1, 2, 3, 4, 5, 6, 7}
	}
	work := make(chan [][]byte, 64)
	var sum int
	var done sync.WaitGroup
	done.Go(func() {
		for b := range work {
			for _, item := range b {
				sum += int(item[0])
			}
		}
	})
	m.Start()
	for range batches {
		work <- items
	}
	close(work)
	done.Wait()
	m.Stop(float64(batches * batch))
	if want := batches * (batch - 1) * batch / 2; sum != want {
		return fmt.Errorf("sum is %d, want %d", sum, want)
	}
	return nil
}}}

// numbered is a message for an actor: a struct, as the actors of the product get.
type numbered struct{ n int }

// limitTell is one sender that tells 64 actors in turn.
var limitTell = Limit{CPU: 0.41, Case: Case{Name: "tell/64-actors", Unit: "inputs/s", Run: func(m *Meter) error {
	return tell(m, 2_000_000, 64, func(*actor.ActorSystem, *sync.WaitGroup) actor.ReceiveFunc { return nil })
}}}

// limitChain is one sender and a chain of three actors.
var limitChain = Limit{CPU: 0.56, Case: Case{Name: "tell/3-actor-chain", Unit: "inputs/s", Run: func(m *Meter) error {
	return tell(m, 2_000_000, 1, chainOf(2))
}}}

// chainOf returns a maker of the first actor of a chain that forwards to n more.
func chainOf(n int) func(*actor.ActorSystem, *sync.WaitGroup) actor.ReceiveFunc {
	return func(system *actor.ActorSystem, done *sync.WaitGroup) actor.ReceiveFunc {
		next := system.Root.Spawn(actor.PropsFromFunc(counting(done)))
		for range n - 1 {
			next = system.Root.Spawn(actor.PropsFromFunc(forwarding(next)))
		}
		return forwarding(next)
	}
}

func forwarding(to *actor.PID) actor.ReceiveFunc {
	return func(c actor.Context) {
		if msg, ok := c.Message().(*numbered); ok {
			c.Send(to, msg)
		}
	}
}

// counting returns an actor that marks a message done when it has seen it.
func counting(done *sync.WaitGroup) actor.ReceiveFunc {
	return func(c actor.Context) {
		if msg, ok := c.Message().(*numbered); ok && msg.n == 0 {
			done.Done()
		}
	}
}

// tell sends n messages to the given number of actors in turn and waits until
// every last one was seen. first may make another kind of actor.
func tell(m *Meter, n, actors int, first func(*actor.ActorSystem, *sync.WaitGroup) actor.ReceiveFunc) error {
	n = m.Count(n)
	system := actor.NewActorSystem(actor.WithLoggerFactory(discard))
	defer system.Shutdown()
	var done sync.WaitGroup
	done.Add(actors)
	pids := make([]*actor.PID, actors)
	for i := range pids {
		receive := first(system, &done)
		if receive == nil {
			receive = counting(&done)
		}
		pids[i] = system.Root.Spawn(actor.PropsFromFunc(receive))
	}
	msg, last := &numbered{1}, &numbered{0}
	m.Start()
	for i := range n {
		system.Root.Send(pids[i%actors], msg)
	}
	for _, pid := range pids {
		system.Root.Send(pid, last)
	}
	done.Wait()
	m.Stop(float64(n + actors))
	return nil
}

// limitTCP is a copy over a loopback connection in writes of 64 KiB. An
// operation is a megabyte; the known figure is 0.36 us per KiB.
var limitTCP = Limit{CPU: 0.36 * 1e6 / 1024, Case: Case{Name: "tcp/loopback/64KiB", Unit: "MB/s", Run: func(m *Meter) error {
	const block = 64 << 10
	blocks := m.Count(32_000)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	read := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			read <- err
			return
		}
		defer c.Close()
		buf := make([]byte, block)
		for range blocks {
			if _, err := io.ReadFull(c, buf); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, block)
	m.Start()
	for range blocks {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
	err = <-read
	m.Stop(float64(blocks) * block / 1e6)
	return err
}}}
