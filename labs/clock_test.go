package labs

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestClockIsSet sets the machine's clock a day on and a day back in the middle of a session: it lives on, for as long as it would have.
func TestClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			in(t, func(r *rig) {
				var set atomic.Int64
				r.Sessions.read = func() reading {
					now := read()
					now.wall = now.wall.Add(time.Duration(set.Load()))
					return now
				}
				p := r.look(ann, lab1, "start")
				defer p.sub.Close()
				r.ok(r.Start(ann, lab1, "start"))
				before := p.phase(PhaseReady)
				time.Sleep(10 * time.Minute)
				set.Store(int64(by))
				after := p.until("the deadline to move", func(v SessionView) bool { return v.Deadline != before.Deadline })
				if after.Phase != PhaseReady || after.Deadline != before.Deadline+by.Milliseconds() || after.Started != before.Started+by.Milliseconds() {
					r.Fatalf("was %+v, is %+v", before, after)
				}
				time.Sleep(40 * time.Minute)
				if _, _, live := r.Live(ann); !live {
					r.Fatal("the session ended before its time")
				}
				time.Sleep(11 * time.Minute)
				if _, _, live := r.Live(ann); live {
					r.Fatal("the session did not end at its time")
				}
			})
		})
	}
}

func TestReadings(t *testing.T) {
	at := reading{time.Unix(1000, 0), time.Hour}
	for _, c := range []struct {
		wall, even, want time.Duration
	}{
		{time.Minute, time.Minute, 0}, {time.Minute + time.Second, time.Minute, 0}, {24*time.Hour + time.Minute, time.Minute, 24 * time.Hour},
		{time.Minute - 24*time.Hour, time.Minute, -24 * time.Hour},
	} {
		if got := (reading{at.wall.Add(c.wall), at.even + c.even}).since(at); got != c.want {
			t.Errorf("%v by the clock and %v evenly: moved by %v, want %v", c.wall, c.even, got, c.want)
		}
	}
}
