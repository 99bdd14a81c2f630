package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

// readManifest reads a file, or standard input for "-".
func readManifest(name string) ([]byte, error) {
	from := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, sandbox.MaxManifest+1))
	if err == nil && len(data) > sandbox.MaxManifest {
		err = sandbox.Errorf(sandbox.CodeTooLarge, "limit", strconv.Itoa(sandbox.MaxManifest))
	}
	return data, err
}

// decode reads the objects of a file; an error names the file.
func (p *program) decode(name string) ([]manifest.Object, error) {
	data, err := p.readFile(name)
	if err != nil {
		return nil, &fileError{name, err}
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return nil, &fileError{name, err}
	}
	return objects, nil
}

// fileError is an error in, or with, a file.
type fileError struct {
	file string
	err  error
}

func (e *fileError) Error() string { return e.file + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

func (p *program) apply(ctx context.Context, args []string) (int, error) {
	var files []string
	words, _, err := flags{values: map[string]*[]string{"f": &files, "filename": &files}}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(files) == 0 || len(words) > 0 {
		return 0, wrongUsage("apply_needs_file")
	}
	for _, file := range files {
		objects, err := p.decode(file)
		if err != nil {
			return 0, err
		}
		for _, object := range objects {
			applied, err := p.agent.Apply(ctx, [][]byte{object.JSON})
			if err != nil {
				return 0, &fileError{file, err}
			}
			for _, a := range applied {
				fmt.Fprintf(p.out, "%s/%s %s\n", strings.ToLower(a.Kind), a.Name, p.words.say("action."+a.Action))
			}
		}
	}
	return 0, nil
}

func (p *program) getPods(ctx context.Context, args []string) (int, error) {
	var format []string
	var watch bool
	names, _, err := flags{
		bools:  map[string]*bool{"w": &watch, "watch": &watch},
		values: map[string]*[]string{"o": &format, "output": &format},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) > 0 && isKind(names[0]) {
		names = names[1:]
	}
	how := last(format, "")
	if !slices.Contains([]string{"", "wide", "yaml", "json", "name"}, how) {
		return 0, wrongUsage("bad_output", "value", how)
	}
	if kind, rest := dataKind(names); kind != "" {
		return 0, p.getData(ctx, kind, rest, how)
	}
	if watch {
		return 0, p.watchPods(ctx, names, how == "wide")
	}
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	pods, err := choose(snapshot.Pods, names)
	if err != nil {
		return 0, err
	}
	return 0, p.printPods(how, pods, snapshot, len(names) == 1)
}

func (p *program) printPods(how string, pods []sandbox.Pod, snapshot sandbox.Snapshot, single bool) error {
	switch how {
	case "yaml", "json":
		return writeObjects(p, how, pods, single)
	case "name":
		for _, pod := range pods {
			fmt.Fprintln(p.out, "pod/"+pod.Metadata.Name)
		}
		return nil
	}
	if len(pods) == 0 {
		p.complain(p.words.say("no_pods"))
		return nil
	}
	return podTable(pods, snapshot, how == "wide").write(p.out)
}

// watchPods prints a row whenever something in it but its age changed, until ^C.
func (p *program) watchPods(ctx context.Context, names []string, wide bool) error {
	shown := map[string]string{}
	head, widths := false, []int{0, 0, len("ContainerCreating"), 0, 0, len("10.88.0.200"), 0}
	err := p.agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		var changed []sandbox.Pod
		for _, pod := range u.Snapshot.Pods {
			name := pod.Metadata.Name
			if len(names) > 0 && !slices.Contains(names, name) {
				continue
			}
			row := podRow(pod, *u.Snapshot, wide)
			row[ageColumn] = ""
			if text := strings.Join(row, " "); text != shown[name] {
				shown[name] = text
				changed = append(changed, pod)
			}
		}
		if len(changed) == 0 {
			return nil
		}
		rows := podTable(changed, *u.Snapshot, wide)
		if head {
			rows = rows[1:]
		}
		head = true
		return rows.writeIn(p.out, widths)
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// isKind lets people type "pod get pods" as they would kubectl.
func isKind(word string) bool { return word == "pods" || word == "pod" || word == "po" }

// choose returns the named pods in the order asked for; without names all.
func choose(pods []sandbox.Pod, names []string) ([]sandbox.Pod, error) {
	if len(names) == 0 {
		return pods, nil
	}
	var out []sandbox.Pod
	for _, name := range names {
		pod, err := findPod(pods, name)
		if err != nil {
			return nil, err
		}
		out = append(out, pod)
	}
	return out, nil
}

func findPod(pods []sandbox.Pod, name string) (sandbox.Pod, error) {
	name = strings.TrimPrefix(name, "pod/")
	for _, pod := range pods {
		if pod.Metadata.Name == name {
			return pod, nil
		}
	}
	return sandbox.Pod{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestPod, "name", name)
}

func (p *program) deletePods(ctx context.Context, args []string) (int, error) {
	var files, grace []string
	var now, force bool
	names, _, err := flags{
		bools:  map[string]*bool{"now": &now, "force": &force},
		values: map[string]*[]string{"f": &files, "filename": &files, "grace-period": &grace},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) > 0 && isKind(names[0]) {
		names = names[1:]
	}
	refs := make([]sandbox.Ref, 0, len(names))
	if kind, rest := dataKind(names); kind != "" {
		for _, name := range rest {
			refs = append(refs, sandbox.Ref{Kind: kind, Name: name})
		}
		names = nil
	}
	for _, name := range names {
		refs = append(refs, sandbox.Ref{Kind: sandbox.ManifestPod, Name: strings.TrimPrefix(name, "pod/")})
	}
	for _, file := range files {
		objects, err := p.decode(file)
		if err != nil {
			return 0, err
		}
		for _, o := range objects {
			refs = append(refs, o.Ref)
		}
	}
	if len(refs) == 0 {
		return 0, wrongUsage("which_pod")
	}
	seconds, err := graceOf(last(grace, ""), now || force)
	if err != nil {
		return 0, err
	}
	return p.deleteAll(ctx, refs, seconds)
}

func graceOf(text string, now bool) (int64, error) {
	if text == "" {
		if now {
			return 0, nil
		}
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, wrongUsage("bad_number", "value", text)
	}
	return n, nil
}

// deleteAll deletes what it can, and fails with the first thing that it could not.
func (p *program) deleteAll(ctx context.Context, refs []sandbox.Ref, grace int64) (int, error) {
	var first error
	for _, ref := range refs {
		err := p.agent.Delete(ctx, ref, grace)
		if err == nil {
			fmt.Fprintf(p.out, "%s/%s %s\n", strings.ToLower(ref.Kind), ref.Name, p.words.say("action.deleted"))
			continue
		}
		if first != nil {
			p.complain(p.words.problem(first))
		}
		first = err
		if ctx.Err() != nil {
			break
		}
	}
	return 0, first
}

// pickContainer finds the Container.ID that NAME and -c mean: with one container, -c may be left out.
func (p *program) pickContainer(ctx context.Context, podName, container string) (string, error) {
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return "", err
	}
	pod, err := findPod(snapshot.Pods, podName)
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(pod.Spec.Containers))
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	if container == "" && len(names) > 0 {
		if len(names) > 1 {
			p.complain(p.words.say("defaulted", "container", names[0], "known", strings.Join(names, ", ")))
		}
		return pod.Metadata.Name + "/" + names[0], nil
	}
	for _, name := range names {
		if name == container {
			return pod.Metadata.Name + "/" + name, nil
		}
	}
	return "", wrongUsage("no_such_container", "container", container, "pod", pod.Metadata.Name, "known", strings.Join(names, ", "))
}

func (p *program) execPod(ctx context.Context, args []string) (int, error) {
	var stdin, tty bool
	var container []string
	words, behind, err := flags{
		bools:  map[string]*bool{"i": &stdin, "stdin": &stdin, "t": &tty, "tty": &tty},
		values: map[string]*[]string{"c": &container, "container": &container},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	switch {
	case len(words) == 0:
		return 0, wrongUsage("which_pod")
	case len(behind) == 0 && len(words) > 1:
		return 0, wrongUsage("exec_dashes")
	case len(behind) == 0:
		return 0, wrongUsage("which_command")
	}
	id, err := p.pickContainer(ctx, words[0], last(container, ""))
	if err != nil {
		return 0, err
	}
	return p.exec(ctx, id, behind, stdin, tty)
}

func (p *program) logsPod(ctx context.Context, args []string) (int, error) {
	var follow, previous bool
	var container, tail []string
	words, _, err := flags{
		bools:  map[string]*bool{"f": &follow, "follow": &follow, "p": &previous, "previous": &previous},
		values: map[string]*[]string{"c": &container, "container": &container, "tail": &tail},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(words) == 0 || len(words) > 2 {
		return 0, wrongUsage("which_pod")
	}
	if len(words) == 2 {
		container = append(container, words[1])
	}
	id, err := p.pickContainer(ctx, words[0], last(container, ""))
	if err != nil {
		return 0, err
	}
	lines, err := linesOf(tail)
	if err != nil {
		return 0, err
	}
	return 0, p.logs(ctx, sandbox.LogOptions{Container: id, Previous: previous, Tail: lines, Follow: follow})
}

func linesOf(tail []string) (int, error) {
	text := last(tail, "0")
	n, err := strconv.Atoi(text)
	if err != nil || n < -1 {
		return 0, wrongUsage("bad_number", "value", text)
	}
	return max(n, 0), nil
}

func (p *program) logs(ctx context.Context, opt sandbox.LogOptions) error {
	err := p.agent.Logs(ctx, opt, p.out)
	if errors.Is(err, context.Canceled) {
		return nil // ^C ends -f
	}
	return err
}
