package client

import (
	"context"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// Daemon is the root daemon behind its socket.
type Daemon struct{ Socket string }

var _ sandbox.Nodes = Daemon{}

func (d Daemon) Info(ctx context.Context) (info sandbox.HostInfo, err error) {
	err = once(ctx, d.Socket, wire.VerbInfo, nil, &info)
	return info, err
}

func (d Daemon) Create(ctx context.Context, spec sandbox.NodeSpec) (node sandbox.Node, err error) {
	err = once(ctx, d.Socket, wire.VerbCreate, spec, &node)
	return node, err
}

func (d Daemon) List(ctx context.Context) (nodes []sandbox.Node, err error) {
	err = once(ctx, d.Socket, wire.VerbList, nil, &nodes)
	return nodes, err
}

func (d Daemon) Destroy(ctx context.Context, id string) error {
	return once(ctx, d.Socket, wire.VerbDestroy, wire.NodeArgs{ID: id}, nil)
}

func (d Daemon) Freeze(ctx context.Context, id string) error {
	return once(ctx, d.Socket, wire.VerbFreeze, wire.NodeArgs{ID: id}, nil)
}

func (d Daemon) Thaw(ctx context.Context, id string) error {
	return once(ctx, d.Socket, wire.VerbThaw, wire.NodeArgs{ID: id}, nil)
}

func (d Daemon) PowerOff(ctx context.Context, id string) error {
	return once(ctx, d.Socket, wire.VerbPowerOff, wire.NodeArgs{ID: id}, nil)
}

func (d Daemon) PowerOn(ctx context.Context, id string) (node sandbox.Node, err error) {
	err = once(ctx, d.Socket, wire.VerbPowerOn, wire.NodeArgs{ID: id}, &node)
	return node, err
}

func (d Daemon) Link(ctx context.Context, a, b string) error {
	return once(ctx, d.Socket, wire.VerbLink, wire.LinkArgs{A: a, B: b}, nil)
}

func (d Daemon) Cut(ctx context.Context, a, b string) error {
	return once(ctx, d.Socket, wire.VerbCut, wire.LinkArgs{A: a, B: b}, nil)
}

func (d Daemon) Restore(ctx context.Context, a, b string) error {
	return once(ctx, d.Socket, wire.VerbRestore, wire.LinkArgs{A: a, B: b}, nil)
}

func (d Daemon) Moments(ctx context.Context, id string, after uint64, fn func(sandbox.Moments) error) error {
	conn, err := call(ctx, d.Socket, wire.VerbMoments, wire.NodeArgs{ID: id, After: after}, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		var moments streamed[sandbox.Moments]
		if err := moments.read(ctx, conn); err != nil {
			return err
		}
		if err := fn(moments.value); err != nil {
			return err
		}
	}
}

func (d Daemon) Agent(node sandbox.Node) sandbox.Agent { return Agent{Socket: node.Socket} }
