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
	"podlab/sandbox/kubectl"
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

// manifestsOf puts in place of each directory its manifests.
func manifestsOf(names []string) (files []string, err error) {
	for _, name := range names {
		found, err := kubectl.Manifests(name)
		switch {
		case errors.Is(err, kubectl.ErrNoManifests):
			return nil, wrongUsage("no_manifests", "dir", name)
		case err != nil:
			return nil, &fileError{name, err}
		}
		files = append(files, found...)
	}
	return files, nil
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
	files, err = manifestsOf(files)
	if err != nil {
		return 0, err
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
	var watch, noHead bool
	names, _, err := flags{
		bools:  map[string]*bool{"w": &watch, "watch": &watch, "no-headers": &noHead},
		values: map[string]*[]string{"o": &format, "output": &format},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) > 0 && isEvents(names[0]) {
		return p.events(ctx, args[1:])
	}
	if len(names) > 0 && isKind(names[0]) {
		names = names[1:]
	}
	how := last(format, "")
	if !slices.Contains([]string{"", "wide", "yaml", "json", "name"}, how) {
		return 0, wrongUsage("bad_output", "value", how)
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
	return 0, p.printPods(how, pods, snapshot, len(names) == 1, !noHead)
}

func (p *program) printPods(how string, pods []sandbox.Pod, snapshot sandbox.Snapshot, single, head bool) error {
	switch how {
	case "yaml", "json":
		return manifest.WritePods(p.out, how, pods, single)
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
	rows := podTable(pods, snapshot, how == "wide")
	if !head {
		rows = rows[1:]
	}
	return rows.write(p.out)
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

func isEvents(word string) bool { return word == "events" || word == "event" || word == "ev" }

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
	var now, force, all, ignore bool
	names, _, err := flags{
		bools:  map[string]*bool{"now": &now, "force": &force, "all": &all, "ignore-not-found": &ignore},
		values: map[string]*[]string{"f": &files, "filename": &files, "grace-period": &grace},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) > 0 && isKind(names[0]) {
		names = names[1:]
	}
	refs := make([]sandbox.Ref, 0, len(names))
	for _, name := range names {
		refs = append(refs, sandbox.Ref{Kind: sandbox.ManifestPod, Name: strings.TrimPrefix(name, "pod/")})
	}
	if files, err = manifestsOf(files); err != nil {
		return 0, err
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
	if all {
		more, err := p.allPods(ctx)
		if err != nil {
			return 0, err
		}
		refs = append(refs, more...)
	}
	if len(refs) == 0 && !all {
		return 0, wrongUsage("which_pod")
	}
	seconds, err := graceOf(last(grace, ""), now, force)
	if err != nil {
		return 0, err
	}
	return p.deleteAll(ctx, refs, seconds, ignore)
}

func (p *program) allPods(ctx context.Context) (refs []sandbox.Ref, err error) {
	snapshot, err := p.agent.Snapshot(ctx)
	for _, pod := range snapshot.Pods {
		refs = append(refs, sandbox.Ref{Kind: sandbox.ManifestPod, Name: pod.Metadata.Name})
	}
	return refs, err
}

// graceOf is the grace in seconds: --now means one, --force none, neither the object's own (-1).
func graceOf(text string, now, force bool) (int64, error) {
	switch {
	case text == "" && now:
		return 1, nil
	case text == "" && force:
		return 0, nil
	case text == "":
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, wrongUsage("bad_number", "value", text)
	}
	return n, nil
}

// deleteAll deletes what it can, and fails with the first thing that it could not. What is not there is no failure with ignore.
func (p *program) deleteAll(ctx context.Context, refs []sandbox.Ref, grace int64, ignore bool) (int, error) {
	var first error
	for _, ref := range refs {
		err := p.agent.Delete(ctx, ref, grace)
		if err == nil {
			fmt.Fprintf(p.out, "%s/%s %s\n", strings.ToLower(ref.Kind), ref.Name, p.words.say("action.deleted"))
			continue
		}
		if ignore && sandbox.CodeOf(err) == sandbox.CodeNotFound {
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

// pickContainer finds the container that NAME and -c mean: without -c the pod's default.
func (p *program) pickContainer(ctx context.Context, podName, container string) (pod sandbox.Pod, name string, err error) {
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return pod, "", err
	}
	if pod, err = findPod(snapshot.Pods, podName); err != nil {
		return pod, "", err
	}
	known := strings.Join(kubectl.ContainerNames(pod), ", ")
	if container == "" {
		name, guessed := kubectl.DefaultContainer(pod)
		if guessed {
			p.complain(p.words.say("defaulted", "container", name, "known", known))
		}
		return pod, name, nil
	}
	if _, ok := kubectl.Container(pod, container); !ok {
		return pod, "", wrongUsage("no_such_container", "container", container, "pod", pod.Metadata.Name, "known", known)
	}
	return pod, container, nil
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
	pod, name, err := p.pickContainer(ctx, words[0], last(container, ""))
	if err != nil {
		return 0, err
	}
	return p.exec(ctx, pod.Metadata.Name+"/"+name, behind, stdin, tty)
}
