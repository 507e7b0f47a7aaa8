package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/inject"
)

// CoordinatorOptions configures a Coordinator.
type CoordinatorOptions struct {
	CoordinationOptions
	Store Store
	// Liveness is optional; without it everybody is trusted to answer.
	Liveness Liveness
	// Proposer is a name that no other process and no other life of this one proposes under; see
	// NewProposer.
	Proposer string
	// Logger gets what an operator would want to know. Default: nothing is logged.
	Logger *slog.Logger
}

// Validate returns what is missing.
func (o CoordinatorOptions) Validate() error {
	if o.Store == nil || o.Node == "" || o.Proposer == "" {
		return errors.New("coordinator options: need a store, a node and a proposer name")
	}
	return nil
}

// A Coordinator runs a Coordination against a store. Every node runs one; only that of the leader
// proposes. It keeps nothing that a successor needs.
type Coordinator struct {
	opts     CoordinatorOptions
	machine  *Coordination
	proposer *Proposer
	log      *slog.Logger
}

// NewCoordinator returns a coordinator that has not started.
func NewCoordinator(opts CoordinatorOptions) (*Coordinator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Coordinator{
		opts:     opts,
		machine:  NewCoordination(opts.CoordinationOptions),
		proposer: NewProposer(opts.Store, opts.Proposer),
		log:      log,
	}, nil
}

// Run coordinates until ctx ends or the store is closed, and returns nil then. It wakes up for
// changes of the record and of liveness, and for pauses after failures, never on a tick. It may run once.
func (c *Coordinator) Run(ctx context.Context) error {
	updates := c.opts.Store.Watch(ctx)
	var health <-chan Health // nil, and silent, without a detector
	if c.opts.Liveness != nil {
		health = c.opts.Liveness.Watch(ctx)
		c.machine.Step(HealthChanged{At: time.Now(), Health: c.opts.Liveness.Health()}) // before any decision
	}
	wake := time.NewTimer(0)
	wake.Stop()
	defer wake.Stop()
	for {
		var actions []Action
		select {
		case u, ok := <-updates:
			if !ok {
				return nil
			}
			actions = c.machine.Step(Changed{At: time.Now(), Update: u})
		case h, ok := <-health:
			if !ok {
				health = nil // the detector ended; its last word stands
				continue
			}
			actions = c.machine.Step(HealthChanged{At: time.Now(), Health: h})
		case <-wake.C:
			actions = c.machine.Step(Elapsed{At: time.Now()})
		}
		for len(actions) > 0 {
			a := actions[0]
			actions = actions[1:]
			switch a := a.(type) {
			case Wake:
				wake.Reset(a.After)
			case Propose:
				actions = append(actions, c.propose(ctx, a)...)
			}
		}
	}
}

// propose proposes and lets the machine go on with the answer.
func (c *Coordinator) propose(ctx context.Context, a Propose) []Action {
	inject.At(inject.OpenBefore)
	out, err := c.proposer.Propose(ctx, a.Term, a.Ops...)
	inject.At(inject.OpenAfter)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("proposal without answer", "operations", len(a.Ops), "err", err)
	}
	for i, o := range out {
		c.report(a.Ops[i], o)
	}
	return c.machine.Step(Answered{At: time.Now(), Outcomes: out, Err: err})
}

func (c *Coordinator) report(op topology.Op, o topology.Outcome) {
	log := c.log.With("operation", topology.OpName(op), "operand", fmt.Sprintf("%+v", op), "ring_version", o.Version)
	if o.Err != nil {
		log.Debug("proposal refused", "err", o.Err)
		return
	}
	log.Info("topology changed", "session", o.Session, "term", o.Term)
}
