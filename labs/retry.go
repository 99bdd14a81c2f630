package labs

import (
	"context"
	"time"
)

// How long is waited between two tries of something that is away: at first, and at most.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 2 * time.Second
)

// backoff spaces tries: each wait is twice as long as the one before. Its zero value is ready.
type backoff struct{ next time.Duration }

// wait returns when it is time to try again. Its only error is that of ctx.
func (b *backoff) wait(ctx context.Context) error {
	d := max(b.next, retryFirst)
	b.next = min(2*d, retryLast)
	return sleep(ctx, d)
}

// reset begins anew: something worked.
func (b *backoff) reset() { b.next = 0 }

// untilDone tries until it works. Its only error is that of ctx; failed is told of the others.
func untilDone(ctx context.Context, try func() error, failed func(error)) error {
	var b backoff
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed(err)
		if err := b.wait(ctx); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
