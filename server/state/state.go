// Package state keeps learners' progress and live sessions in NATS JetStream key-value buckets: embedded in this process by
// default (no port, files in one directory, every write on the disk before it is acknowledged), or on a cluster elsewhere.
//
// A Store owns its connection and, when embedded, the NATS server; both end in Close. An embedded server whose disk was full does not write
// to it again, whatever room there is: a write without an answer makes the next call open it anew.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"podlab/labs"
)

// Limits of the embedded server.
const (
	readyTime = 10 * time.Second // until it answers, with a large store
	maxStore  = 4 << 30          // bytes on disk
	maxMemory = 32 << 20         // bytes of streams kept in memory: we keep none
	maxValue  = 256 << 10        // bytes of one value; a lab's progress is about 2 KiB
)

// Store implements labs.Store.
type Store struct {
	dir    string // of the embedded server; empty when the cluster is elsewhere
	lock   *os.File
	broken atomic.Bool // what is below is to be opened anew

	mu       sync.RWMutex // for reading while what is below is used
	conn     *nats.Conn
	embedded *server.Server     // nil when the cluster is elsewhere
	progress jetstream.KeyValue // LEARNER.LAB → labs.Progress
	sessions jetstream.KeyValue // LEARNER → labs.Record
}

var _ labs.Store = (*Store)(nil)

// Open starts an embedded server on a directory. A second one on the same directory is an error.
func Open(dir string) (*Store, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, lock: lock}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open starts the embedded server and connects to it. The caller holds mu, or is the only one to know the store.
func (s *Store) open() (err error) {
	if s.embedded, err = start(s.dir); err != nil {
		return err
	}
	if s.conn, err = nats.Connect("", nats.InProcessServer(s.embedded), nats.MaxReconnects(-1)); err == nil {
		err = s.buckets(1)
	}
	if err != nil {
		return fmt.Errorf("state in %s: %w", s.dir, err)
	}
	return nil
}

// use runs a call while the store is whole. When it was not, it is opened anew first, which fails as long as the reason lasts.
func (s *Store) use(ctx context.Context, call func() error) error {
	if s.broken.Load() {
		if err := s.reopen(); err != nil {
			return err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	err := call()
	for _, silence := range []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse} {
		if s.dir != "" && ctx.Err() == nil && errors.Is(err, silence) { // the last answer of all, perhaps
			s.broken.Store(true)
		}
	}
	return err
}

func (s *Store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.broken.Load() {
		return nil // another call did it
	}
	s.shut()
	if err := s.open(); err != nil {
		return err
	}
	s.broken.Store(false)
	return nil
}

// Connect uses a NATS server or cluster with JetStream elsewhere. Buckets that are not there are made with that many replicas.
func Connect(url string, replicas int) (*Store, error) {
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.Name("podlab"))
	if err != nil {
		return nil, fmt.Errorf("state at %s: %w", url, err)
	}
	s := &Store{conn: conn}
	if err := s.buckets(replicas); err != nil {
		return nil, errors.Join(fmt.Errorf("state at %s: %w", url, err), s.Close())
	}
	return s, nil
}

// lockDir keeps a second process out: JetStream itself does not.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another server uses %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

func start(dir string) (*server.Server, error) {
	embedded, err := server.NewServer(&server.Options{
		ServerName: "podlab", DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir, SyncAlways: true,
		JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory, DisableJetStreamBanner: true, MaxPayload: maxValue,
	})
	if err != nil {
		return nil, fmt.Errorf("state in %s: %w", dir, err)
	}
	embedded.SetLoggerV2(logger{slog.With("part", "state")}, false, false, false)
	embedded.Start()
	if !embedded.ReadyForConnections(readyTime) {
		embedded.Shutdown()
		embedded.WaitForShutdown()
		return nil, fmt.Errorf("state in %s: not ready after %v", dir, readyTime)
	}
	return embedded, nil
}

func (s *Store) buckets(replicas int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	js, err := jetstream.New(s.conn)
	if err != nil {
		return err
	}
	if s.progress, err = bucket(ctx, js, "progress", "what learners have done", replicas); err != nil {
		return err
	}
	s.sessions, err = bucket(ctx, js, "sessions", "live sessions", replicas)
	return err
}

func bucket(ctx context.Context, js jetstream.JetStream, name, description string, replicas int) (jetstream.KeyValue, error) {
	return js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: name, Description: description, Storage: jetstream.FileStorage, Replicas: replicas, MaxValueSize: maxValue,
	})
}

// Close ends the connection and the embedded server.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut()
	if s.lock != nil {
		return s.lock.Close()
	}
	return nil
}

// shut is called with mu held.
func (s *Store) shut() {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.embedded != nil {
		s.embedded.Shutdown()
		s.embedded.WaitForShutdown()
	}
	s.conn, s.embedded = nil, nil
}

// Progress implements labs.Store.
func (s *Store) Progress(ctx context.Context, learner string) (map[string]labs.Progress, error) {
	var all map[string]labs.Progress
	err := s.use(ctx, func() error {
		all = map[string]labs.Progress{}
		return each(ctx, s.progress, learner+".>", func(key string, value []byte) error {
			var p labs.Progress
			if err := json.Unmarshal(value, &p); err != nil {
				return err
			}
			all[key[len(learner)+1:]] = p
			return nil
		})
	})
	return all, err
}

// SaveProgress implements labs.Store.
func (s *Store) SaveProgress(ctx context.Context, learner, lab string, p labs.Progress) error {
	return s.use(ctx, func() error { return put(ctx, s.progress, learner+"."+lab, p) })
}

// Sessions implements labs.Store.
func (s *Store) Sessions(ctx context.Context) ([]labs.Record, error) {
	var all []labs.Record
	err := s.use(ctx, func() error {
		return each(ctx, s.sessions, ">", func(_ string, value []byte) error {
			var r labs.Record
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			all = append(all, r)
			return nil
		})
	})
	return all, err
}

// SaveSession implements labs.Store.
func (s *Store) SaveSession(ctx context.Context, r labs.Record) error {
	return s.use(ctx, func() error { return put(ctx, s.sessions, r.Learner, r) })
}

// DeleteSession implements labs.Store.
func (s *Store) DeleteSession(ctx context.Context, learner string) error {
	return s.use(ctx, func() error {
		if err := s.sessions.Purge(ctx, learner); err != nil {
			return fmt.Errorf("session record: %w", err)
		}
		return nil
	})
}

func put(ctx context.Context, kv jetstream.KeyValue, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, key, data); err != nil {
		return fmt.Errorf("%s %s: %w", kv.Bucket(), key, err)
	}
	return nil
}

// each calls fn with the newest value of every key that the pattern matches.
func each(ctx context.Context, kv jetstream.KeyValue, pattern string, fn func(key string, value []byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	watcher, err := kv.Watch(ctx, pattern, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("%s %s: %w", kv.Bucket(), pattern, err)
	}
	defer watcher.Stop() //nolint:errcheck // a subscription that is gone already is what we want
	for {
		select {
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return fmt.Errorf("%s %s: connection closed", kv.Bucket(), pattern)
			case entry == nil: // everything that was there has come
				return nil
			}
			if err := fn(entry.Key(), entry.Value()); err != nil {
				return fmt.Errorf("%s %s: %w", kv.Bucket(), entry.Key(), err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
