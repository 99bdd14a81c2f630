package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
	"podlab/sandbox/manifest"
)

type applyCmd struct {
	Node string `arg:"" help:"Node."`
	File string `short:"f" required:"" help:"Manifest, or a directory of them; - is standard input." placeholder:"FILE"`
}

func (c *applyCmd) Run(e *env) error {
	files, err := kubectl.Manifests(c.File)
	if err != nil {
		return err
	}
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := e.apply(agent, file); err != nil {
			if len(files) > 1 {
				err = fmt.Errorf("%s: %w", file, err)
			}
			return err
		}
	}
	return nil
}

func (e *env) apply(agent sandbox.Agent, file string) error {
	data, err := e.read(file)
	if err != nil {
		return err
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return err
	}
	applied, err := agent.Apply(e.ctx, manifest.Bytes(objects))
	for _, a := range applied {
		fmt.Fprintf(e.Out, "%s/%s %s\n", strings.ToLower(a.Kind), a.Name, a.Action)
	}
	return err
}

// read gives a file, bounded, so that the wrong one does not fill memory.
func (e *env) read(name string) ([]byte, error) {
	in := e.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, sandbox.MaxManifest+1))
}

type getCmd struct {
	Node   string `arg:"" help:"Node."`
	Pod    string `arg:"" optional:"" help:"Only this pod; configmaps, secrets, configmap/NAME or secret/NAME."`
	Output string `short:"o" enum:"table,wide,json,yaml,name" default:"table" help:"wide, json, yaml or name."`
}

func (c *getCmd) Run(e *env) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	if ref, ok := dataRef(c.Pod); ok {
		return getData(e, agent, ref, c.Output)
	}
	snapshot, err := agent.Snapshot(e.ctx)
	if err != nil {
		return err
	}
	pods := snapshot.Pods
	if c.Pod != "" {
		pod, err := podOf(snapshot, c.Pod)
		if err != nil {
			return err
		}
		pods = []sandbox.Pod{pod}
	}
	if c.Output == "table" || c.Output == "wide" {
		return table(e.Out, snapshot, pods, c.Pod == "", c.Output == "wide")
	}
	if c.Output == "name" {
		for _, pod := range pods {
			fmt.Fprintln(e.Out, "pod/"+clean(pod.Metadata.Name))
		}
		return nil
	}
	return manifest.WriteObjects(e.Out, c.Output, pods, c.Pod != "")
}

// podOf finds a pod by NAME or pod/NAME.
func podOf(snapshot sandbox.Snapshot, name string) (sandbox.Pod, error) {
	name = strings.TrimPrefix(name, "pod/")
	for _, p := range snapshot.Pods {
		if p.Metadata.Name == name {
			return p, nil
		}
	}
	return sandbox.Pod{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "pod", "name", name)
}

// table prints pods as kubectl does, and plain containers, which kubectl does not know, below them.
func table(out io.Writer, snapshot sandbox.Snapshot, pods []sandbox.Pod, withPlain, wide bool) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	header := "NAME\tREADY\tSTATUS\tRESTARTS\tAGE"
	if wide {
		header += "\tIP\tCONTAINERS"
	}
	if len(pods) > 0 {
		fmt.Fprintln(w, header)
	}
	for _, p := range pods {
		c := p.Columns()
		fmt.Fprintf(w, "%s\t%d/%d\t%s\t%d\t%s", clean(p.Metadata.Name), c.Ready, c.Of, clean(c.Status), c.Restarts,
			age(parseTime(p.Metadata.CreationTimestamp)))
		if wide {
			fmt.Fprintf(w, "\t%s\t%s", clean(p.Status.PodIP), clean(containerNames(p)))
		}
		fmt.Fprintln(w)
	}
	if withPlain {
		plain(w, snapshot, len(pods) > 0)
	}
	return w.Flush()
}

func plain(w io.Writer, snapshot sandbox.Snapshot, gap bool) {
	first := true
	for _, c := range snapshot.Containers {
		if c.Kind != sandbox.KindPlain {
			continue
		}
		if first && gap {
			fmt.Fprintln(w)
		}
		if first {
			fmt.Fprintln(w, "CONTAINER\tIMAGE\tSTATUS\tRESTARTS")
		}
		first = false
		state := c.State
		if c.Reason != "" {
			state = c.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", clean(c.ID), clean(c.Image), clean(state), c.Restarts)
	}
	if first && !gap {
		fmt.Fprintln(w, "No pods.")
	}
}

// clean takes control characters out of what a node says of itself before it reaches somebody's terminal.
func clean(s string) string { return kubectl.Clean(s) }

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

type deleteCmd struct {
	Node  string `arg:"" help:"Node."`
	Name  string `arg:"" help:"A pod, or a plain container; pod/NAME and container/NAME tell them apart."`
	Grace int64  `name:"grace-period" aliases:"grace" help:"Seconds; default: the object's own." default:"-1" placeholder:"SECONDS"`
	Now   bool   `help:"The same as --grace-period=1."`
}

func (c *deleteCmd) Run(e *env) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	ref, err := refOf(e, agent, c.Name)
	if err != nil {
		return err
	}
	if c.Now && c.Grace < 0 {
		c.Grace = 1
	}
	if err := agent.Delete(e.ctx, ref, c.Grace); err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "%s/%s deleted\n", strings.ToLower(ref.Kind), ref.Name)
	return nil
}

// refOf finds out whether a bare name is a pod's or a plain container's.
func refOf(e *env, agent sandbox.Agent, name string) (sandbox.Ref, error) {
	if ref, ok := dataRef(name); ok && ref.Name != "" {
		return ref, nil
	}
	if kind, rest, ok := strings.Cut(name, "/"); ok {
		switch strings.ToLower(kind) {
		case "pod":
			return sandbox.Ref{Kind: sandbox.ManifestPod, Name: rest}, nil
		case "container":
			return sandbox.Ref{Kind: sandbox.ManifestContainer, Name: rest}, nil
		}
	}
	snapshot, err := agent.Snapshot(e.ctx)
	if err != nil {
		return sandbox.Ref{}, err
	}
	for _, c := range snapshot.Containers {
		if c.Kind == sandbox.KindPlain && c.ID == name {
			return sandbox.Ref{Kind: sandbox.ManifestContainer, Name: name}, nil
		}
	}
	return sandbox.Ref{Kind: sandbox.ManifestPod, Name: name}, nil
}

func containerNames(p sandbox.Pod) string {
	var names []string
	for _, c := range p.Spec.Containers {
		names = append(names, c.Name)
	}
	return strings.Join(names, ",")
}
