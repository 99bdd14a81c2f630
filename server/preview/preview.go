// Package preview shows a port of a learner's pod in the browser. What a pod serves is hostile, so it comes from an origin of its
// own (another port, or another name) that shares nothing with the lab's: the address holds an unguessable token and no cookie
// counts, cookies are stripped both ways, and the pages are sandboxed by Content-Security-Policy.
//
// A token is the target, sealed with the server's key: nothing is stored, and it is as good after a restart as before. It opens
// nothing but the one port, for as long as the learner's node lives.
package preview

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"podlab/labs"
)

// Nodes finds a learner's node. *labs.Sessions is one.
type Nodes interface {
	Agent(learner, lab string) (labs.Access, error)
}

// Config is what a Preview is made of.
type Config struct {
	Nodes Nodes
	Key   []byte // 32 bytes, see Key
	Log   *slog.Logger
	// Browsers reach site and preview under the same name and these ports,
	SitePort, Port string
	Secure         bool
	// or, behind a proxy, under these origins: https://lab.example.org, https://preview.example.org. Both or neither.
	SiteURL, URL string
}

// Preview makes addresses of previews and serves them.
type Preview struct {
	Config
	seal cipher.AEAD

	mu   sync.Mutex
	each map[string]int // requests being answered, by learner
}

// maxAtOnce bounds the requests of one learner that pods are answering at one time.
const maxAtOnce = 24

// New makes a Preview.
func New(cfg Config) (*Preview, error) {
	block, err := aes.NewCipher(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("preview: key: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("preview: key: %w", err)
	}
	return &Preview{Config: cfg, seal: seal, each: map[string]int{}}, nil
}

// enter takes a place for one request of a learner; leave gives it back.
func (p *Preview) enter(learner string) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each[learner] >= maxAtOnce {
		return nil, false
	}
	p.each[learner]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.each[learner]--; p.each[learner] == 0 {
			delete(p.each, learner)
		}
	}, true
}

// Key returns the key kept in dir, a new one if there is none yet.
func Key(dir string) ([]byte, error) {
	file := filepath.Join(dir, "preview.key")
	key, err := os.ReadFile(file)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key = make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand since Go 1.24)
	return key, os.WriteFile(file, key, 0o600)
}

// target is what a token opens.
type target struct {
	Learner string `json:"l"`
	Lab     string `json:"b"`
	Pod     string `json:"p"`
	Port    int    `json:"n"`
}

// URL is the address at which a port of a learner's pod is shown.
func (p *Preview) URL(r *http.Request, learner, lab, pod string, port int) string {
	return p.Origin(r) + "/" + p.token(target{learner, lab, pod, port}) + "/"
}

// Origin is the origin of all previews for a browser that sent r to the lab.
func (p *Preview) Origin(r *http.Request) string {
	if p.Config.URL != "" {
		return p.Config.URL
	}
	return p.scheme() + "://" + net.JoinHostPort(hostname(r.Host), p.Port)
}

func (p *Preview) scheme() string {
	if p.Secure {
		return "https"
	}
	return "http"
}

// hostname takes the port off a Host header, and the brackets off an IPv6 address.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

func (p *Preview) token(t target) string {
	plain, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and a number
	}
	nonce := make([]byte, p.seal.NonceSize())
	_, _ = rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(p.seal.Seal(nonce, nonce, plain, nil))
}

func (p *Preview) open(token string) (target, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(sealed) < p.seal.NonceSize() {
		return target{}, false
	}
	plain, err := p.seal.Open(nil, sealed[:p.seal.NonceSize()], sealed[p.seal.NonceSize():], nil)
	if err != nil {
		return target{}, false
	}
	var t target
	return t, json.Unmarshal(plain, &t) == nil
}
