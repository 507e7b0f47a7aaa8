package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/settings"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/js"
)

// startNode starts a node with the settings. unjoined is told where the node
// listens when it waits to be told which cluster to join.
func startNode(ctx context.Context, c *settings.Config, log *slog.Logger, unjoined func(ready)) (node, error) {
	o, err := options(c, log)
	if err != nil {
		return nil, err
	}
	o.Unjoined = func(a baton.Addresses) {
		unjoined(ready{
			Node: c.Name, Phase: string(admin.PhaseUnjoined), ClusterAddr: a.Cluster, AdminAddr: a.Admin, HTTPAddr: a.HTTP,
		})
	}
	n, err := baton.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return started{n}, nil
}

// started is a node that takes part in a cluster.
type started struct{ *baton.Node }

func (n started) ready() ready {
	return ready{
		Node: n.Name(), Phase: string(admin.PhaseMember), ClusterID: n.Cluster().String(),
		ClusterAddr: n.Addr(), AdminAddr: n.AdminAddr(), HTTPAddr: n.HTTPAddr(),
	}
}

// options translates the settings. It reads the file of the Consul token.
func options(c *settings.Config, log *slog.Logger) (baton.Options, error) {
	o := baton.Options{
		Name: c.Name, DataDir: c.DataDir, Engine: c.Engine, Store: c.Store,
		Addr: c.ClusterAddr, Advertise: c.AdvertiseAddr, HTTPAddr: c.HTTPAddr, AdminAddr: c.AdminAddr,
		Bootstrap: c.Bootstrap, BootstrapExpect: c.BootstrapExpect, Join: c.Join, CommitJoin: c.Commit,
		RingSize: c.RingSize, TargetN: c.TargetN, NVal: c.NVal, Weight: c.Weight, Location: c.Location,
		MemoryLimit: c.MemoryBytes(), VnodeQueue: c.VnodeQueue,
		Consul: baton.ConsulOptions{
			Address: c.Consul.Address, Datacenter: c.Consul.Datacenter, Token: c.Consul.Token, Prefix: c.Consul.Prefix,
			CAFile: c.Consul.CAFile, CertFile: c.Consul.CertFile, KeyFile: c.Consul.KeyFile, ServerName: c.Consul.ServerName,
		},
		Settings: c.Settings(true), Logger: log,
	}
	if c.JavaScript {
		o.Engines = []mapreduce.Engine{js.New(js.Options{})}
	}
	if scheme, addr, ok := strings.Cut(c.Consul.Address, "://"); ok {
		o.Consul.Scheme, o.Consul.Address = scheme, addr
	}
	if c.Consul.TokenFile != "" {
		token, err := os.ReadFile(c.Consul.TokenFile)
		if err != nil {
			return o, &settings.Error{Setting: "consul-token-file", Value: c.Consul.TokenFile, Remedy: err.Error()}
		}
		o.Consul.Token = strings.TrimSpace(string(token))
	}
	return o, nil
}
