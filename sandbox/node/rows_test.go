package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/manifest"
)

// A group of testdata/rows is some objects, and for each field that it shows what is seen of it: with the objects as they stand, and with
// that one field taken out or changed. Only what differs between the two is an effect of the field.
type group struct {
	Prepare string           `json:"prepare"` // a script in the node's shell, before all
	Objects []map[string]any `json:"objects"` // the last is the one whose fields are shown; its name is thispod, also in scripts and answers
	Rows    []fieldRow       `json:"rows"`
}

// fieldRow is a row of docs/podspec.md. What is seen is all that it asks for, one answer a line.
type fieldRow struct {
	Field   string `json:"field"`   // of Kubernetes' types: Container.workingDir
	Instead any    `json:"instead"` // what stands there the second time; nothing: the field is left out

	In     string `json:"in"`     // the container: the first, unless it is said
	Status string `json:"status"` // ways into the pod's status: phase containerStatuses[0].ready
	Log    bool   `json:"log"`    // what the container has printed
	Run    string `json:"run"`    // a script in the container
	Type   string `json:"type"`   // what is typed into it first, by one attachment that ends
	Node   string `json:"node"`   // a script in the node's shell

	Sees    string `json:"sees"`
	Without string `json:"without"` // what is seen the second time; refused: CODE FIELD where the object is not taken
	Same    bool   `json:"same"`    // Podlab takes the field and it changes nothing: both times the same is seen
}

const (
	placeholder = "thispod"
	atOnce      = 10    // pods that live on the node at a time
	firstPort   = 18000 // the ones above are given out as testport
)

// TestPodSpecRows tries every field of a pod that works: docs/podspec.md is made from the same files.
func TestPodSpecRows(t *testing.T) {
	d := sandboxtest.Start(t)
	key, certificate := selfSigned(t)
	trial := &rowTrial{key: key, certificate: certificate, agent: d.Agent(d.Node(t, sandbox.NodeSpec{})), room: make(chan struct{}, sandboxtest.AtOnce(atOnce))}
	files, err := filepath.Glob("testdata/rows/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	var trying sync.WaitGroup
	defer trying.Wait()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []group
		if err := sigsyaml.UnmarshalStrict(text, &groups); err != nil {
			t.Fatal(file, err)
		}
		for i, g := range groups {
			name := fmt.Sprintf("%s-%d", strings.TrimSuffix(filepath.Base(file), ".yaml"), i)
			trying.Go(func() { trial.group(t, name, g) })
		}
	}
}

// selfSigned makes a certificate that nobody vouches for, in the name of nobody.
func selfSigned(t *testing.T) (key, certificate string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(kind string, data []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	return encoded("PRIVATE KEY", bare), encoded("CERTIFICATE", signed)
}

type rowTrial struct {
	key, certificate string // PEM in base64: testkey and testcertificate in Secrets
	ports            atomic.Int32
	agent            sandbox.Agent
	room             chan struct{}
}

// group tries the objects as they are, for all rows, and then once for each row without its field.
func (r *rowTrial) group(t *testing.T, name string, g group) {
	if g.Prepare != "" {
		var out bytes.Buffer
		spec := sandbox.ExecSpec{Argv: []string{"sh", "-ec", g.Prepare}}
		if exit, err := r.agent.Exec(t.Context(), spec, sandbox.Streams{Out: &out, Err: &out}); err != nil || exit.Code != 0 {
			t.Errorf("%s: %s: %d, %v, %s", name, g.Prepare, exit.Code, err, &out)
			return
		}
	}
	var trying sync.WaitGroup
	defer trying.Wait()
	trying.Go(func() { r.try(t, name, g.Objects, g.Rows, func(row fieldRow) string { return row.Sees }) })
	for i, row := range g.Rows {
		changed, err := changedObjects(g.Objects, row)
		switch {
		case err != nil:
			t.Error(err)
		case row.Same != (row.Sees == row.Without):
			t.Errorf("%s: what is seen must differ, unless the row says same", row.Field)
		default:
			trying.Go(func() {
				r.try(t, name+"-"+strconv.Itoa(i), changed, []fieldRow{row}, func(row fieldRow) string { return row.Without })
			})
		}
	}
}

// try applies objects under a name of their own and asks for rows until all is seen as wanted.
func (r *rowTrial) try(t *testing.T, name string, objects []map[string]any, rows []fieldRow, want func(fieldRow) string) {
	r.room <- struct{}{}
	defer func() { <-r.room }()
	ctx, deadline := t.Context(), time.Now().Add(sandboxtest.Within(time.Minute))
	port := strconv.Itoa(firstPort + int(r.ports.Add(1)))
	named := strings.NewReplacer(placeholder, name, "testport", port, "testkey", r.key, "testcertificate", r.certificate).Replace
	ref, refusal := r.apply(ctx, t, objects, named)
	typing, stop := context.WithCancel(ctx)
	var typed sync.WaitGroup
	defer typed.Wait()
	defer stop()
	for _, row := range rows {
		if row.Type != "" {
			typed.Go(func() { r.typeInto(typing, row.id(ref), row.Type) })
		}
		var got string
		for wanted := named(want(row)); ; time.Sleep(20 * time.Millisecond) {
			if got = refusal; refusal == "" {
				got = r.see(ctx, ref, row, named)
			}
			if got == wanted {
				break
			}
			if refusal != "" || time.Now().After(deadline) {
				t.Errorf("%s (%s): saw\n%q, want\n%q", row.Field, name, got, wanted)
				break
			}
		}
	}
	if ref.Name != "" {
		if err := r.agent.Delete(context.WithoutCancel(ctx), ref, 0); err != nil && (refusal == "" || sandbox.CodeOf(err) != sandbox.CodeNotFound) {
			t.Errorf("delete %s: %v", name, err)
		}
	}
}

// apply takes the way of a learner's file: YAML, checked and made lean, then the agent. refusal is what was said against it.
func (r *rowTrial) apply(ctx context.Context, t *testing.T, objects []map[string]any, named func(string) string) (ref sandbox.Ref, refusal string) {
	last := objects[len(objects)-1]
	if spec, _ := last["spec"].(map[string]any); spec["ephemeralContainers"] != nil { // they are added to a pod that is there
		row := fieldRow{Field: "PodSpec.ephemeralContainers"}
		before, err := changedObjects(objects, row)
		if err != nil {
			t.Error(err)
			return ref, ""
		}
		if ref, refusal = r.apply(ctx, t, before, named); refusal != "" {
			return ref, refusal
		}
	}
	var text bytes.Buffer
	for _, o := range objects {
		one, err := sigsyaml.Marshal(o)
		if err != nil {
			t.Error(err)
		}
		text.WriteString("---\n" + named(string(one)))
	}
	decoded, err := manifest.Decode(text.Bytes())
	if err == nil {
		ref = decoded[len(decoded)-1].Ref
		_, err = r.agent.Apply(ctx, manifest.Bytes(decoded))
	}
	if err != nil {
		e := sandbox.Public(err)
		return ref, strings.TrimSpace(fmt.Sprintf("refused: %s %s", e.Code, e.Params["field"]))
	}
	return ref, ""
}

// see asks for everything that a row asks for. What cannot be asked yet is in the answer as the error that it is.
func (r *rowTrial) see(ctx context.Context, ref sandbox.Ref, row fieldRow, named func(string) string) string {
	var out []string
	if row.Status != "" {
		out = append(out, r.status(ctx, ref.Name, row.Status))
	}
	id := row.id(ref)
	if row.Log {
		var text bytes.Buffer
		if err := r.agent.Logs(ctx, sandbox.LogOptions{Container: id}, &text); err != nil {
			return err.Error()
		}
		out = append(out, text.String())
	}
	for _, ask := range []struct{ container, script string }{{id, row.Run}, {"", row.Node}} {
		if ask.script == "" {
			continue
		}
		var text bytes.Buffer
		spec := sandbox.ExecSpec{Container: ask.container, Argv: []string{"sh", "-c", named(ask.script)}}
		if _, err := r.agent.Exec(ctx, spec, sandbox.Streams{Out: &text, Err: &text}); err != nil {
			return err.Error()
		}
		out = append(out, text.String())
	}
	for i, text := range out {
		out[i] = strings.TrimSpace(text)
	}
	return strings.Join(out, "\n")
}

// id is the container that a row asks.
func (row fieldRow) id(ref sandbox.Ref) string {
	if ref.Kind == sandbox.ManifestContainer {
		return ref.Name
	}
	return ref.Name + "/" + cmp.Or(row.In, "a")
}

// typeInto attaches to a container once it runs, types, and leaves.
func (r *rowTrial) typeInto(ctx context.Context, id, text string) {
	for ctx.Err() == nil {
		_, err := r.agent.Attach(ctx, sandbox.AttachSpec{Container: id, Stdin: true}, sandbox.Streams{In: strings.NewReader(text)})
		if code := sandbox.CodeOf(err); code != sandbox.CodeNotRunning && code != sandbox.CodeNotFound {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// status is what stands at the given places of a pod's status, with a space between.
func (r *rowTrial) status(ctx context.Context, name, ways string) string {
	object, err := r.agent.Get(ctx, sandbox.Ref{Kind: sandbox.ManifestPod, Name: name})
	if err != nil || len(object) != 1 {
		return fmt.Sprint(err)
	}
	var pod struct {
		Status any `json:"status"`
	}
	if err := json.Unmarshal(object[0], &pod); err != nil {
		return err.Error()
	}
	var out []string
	for way := range strings.FieldsSeq(ways) {
		at := pod.Status
		for step := range strings.FieldsFuncSeq(way, func(c rune) bool { return strings.ContainsRune(".[]", c) }) {
			switch in := at.(type) {
			case map[string]any:
				at = in[step]
			case []any:
				if i, err := strconv.Atoi(step); err == nil && i < len(in) {
					at = in[i]
				}
			default:
				at = nil
			}
		}
		out = append(out, fmt.Sprint(at))
	}
	return strings.Join(out, " ")
}

// changedObjects is the objects with a row's field taken out of the last, or changed there.
func changedObjects(objects []map[string]any, row fieldRow) ([]map[string]any, error) {
	out := slices.Clone(objects)
	last := len(out) - 1
	known := reflect.TypeFor[corev1.PodSpec]()
	if out[last]["kind"] == sandbox.ManifestContainer {
		known = reflect.TypeFor[PlainContainer]()
	}
	out[last] = maps.Clone(out[last])
	n := 0
	out[last]["spec"] = changed(out[last]["spec"], known, row, &n)
	if n == 0 {
		return nil, fmt.Errorf("%s is not in the objects that are to show it", row.Field)
	}
	return out, nil
}

// PlainContainer stands where Kubernetes has no type, by the name that docs/podspec.md uses.
type PlainContainer struct{ sandbox.PlainSpec }

// changed copies a value of Kubernetes' type without the field that a row shows, or with what the row has in its place. n counts.
func changed(value any, known reflect.Type, row fieldRow, n *int) any {
	for known.Kind() == reflect.Pointer || known.Kind() == reflect.Slice {
		known = known.Elem()
	}
	switch value := value.(type) {
	case []any:
		out := make([]any, len(value))
		for i := range value {
			out[i] = changed(value[i], known, row, n)
		}
		return out
	case map[string]any:
		if known.Kind() != reflect.Struct {
			return value
		}
		out := map[string]any{}
		for name, inner := range value {
			switch field, owner := fieldOf(known, name); {
			case owner+"."+name != row.Field:
				out[name] = inner
				if field != nil {
					out[name] = changed(inner, field, row, n)
				}
			case row.Instead != nil:
				*n++
				out[name] = row.Instead
			default:
				*n++
			}
		}
		return out
	}
	return value
}

// fieldOf finds a field by its JSON name, and the type that docs/podspec.md has it under: the outermost with a name.
func fieldOf(t reflect.Type, name string) (field reflect.Type, owner string) {
	for f := range t.Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == name && tag != "":
			return f.Type, t.Name()
		case f.Anonymous && tag == "":
			if inner, _ := fieldOf(f.Type, name); inner != nil {
				return inner, t.Name()
			}
		}
	}
	return nil, t.Name()
}
