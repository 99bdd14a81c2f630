package engine

import "podlab/sandbox"

// telling holds back what there is to tell of a container until its sandbox is there. Without one in the making it holds back nothing.
type telling struct {
	c      *container
	making *making
	held   [][]string
}

func (t *telling) say(reason string, params ...string) {
	if t.making != nil {
		t.held = append(t.held, append([]string{reason}, params...))
		return
	}
	t.c.unit.emit(sandbox.MomentContainer, reason, t.c, params...)
}

// wait returns when the sandbox is there, and tells what was held back; an error if there will be none.
func (t *telling) wait() error {
	if t.making == nil {
		return nil
	}
	<-t.making.over
	if t.making.err != nil {
		return errNoSandbox
	}
	held := t.held
	t.making, t.held = nil, nil
	for _, h := range held {
		t.say(h[0], h[1:]...)
	}
	return nil
}
