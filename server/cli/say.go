package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
	"podlab/web"
)

// explain puts an error into words: the position of a manifest's mistake first, then what is wrong and what to do, then the cause
// that only an operator may see.
func explain(err error) string {
	e, ok := errors.AsType[*sandbox.Error](err)
	if !ok {
		switch {
		case errors.Is(err, context.Canceled):
			return "interrupted"
		case errors.Is(err, syscall.EACCES) && errors.As(err, new(*net.OpError)):
			return "the sockets are for root and group podlab only: use sudo (" + err.Error() + ")"
		}
		return err.Error()
	}
	var b strings.Builder
	if line := e.Params["line"]; line != "" {
		b.WriteString("line " + line + ": ")
	}
	b.WriteString(words(e))
	if e.Cause != nil && e.Code != sandbox.CodeBadManifest {
		fmt.Fprintf(&b, " (%v)", e.Cause)
	}
	return b.String()
}

// words takes the page's words for an error, in English; those of bad_value are chosen by its detail.
func words(e *sandbox.Error) string {
	if e.Code == sandbox.CodeBadValue {
		return badValue(e.Params)
	}
	if own, ok := ownWords[e.Code]; ok {
		return strings.TrimSpace(own(e.Params))
	}
	catalogue := web.WordsOf("en")
	if !catalogue.Has("error." + string(e.Code)) {
		return e.Error()
	}
	what, next := catalogue.SayError(string(e.Code), e.Params)
	return strings.TrimSpace(what + " " + next)
}

// ownWords are for what concerns an operator at a shell otherwise than a learner in a browser.
var ownWords = map[sandbox.Code]func(map[string]string) string{
	sandbox.CodeBadManifest: func(p map[string]string) string { return "not valid YAML: " + p["detail"] },
	sandbox.CodeUnknownField: func(p map[string]string) string {
		if p["near"] != "" {
			return fmt.Sprintf("unknown field %s. Did you mean %s?", p["field"], p["near"])
		}
		return fmt.Sprintf("unknown field %s", p["field"])
	},
	sandbox.CodeUnsupportedField: func(p map[string]string) string {
		if why := manifest.Reasons[p["detail"]]; why != "" {
			return fmt.Sprintf("Kubernetes knows %s, Podlab refuses it: %s", p["field"], why)
		}
		return fmt.Sprintf("Kubernetes knows %s, Podlab does not support it", p["field"])
	},
	sandbox.CodeVolumeNotFound: func(p map[string]string) string {
		return fmt.Sprintf("container %s mounts volume %q, which the pod does not have. It has: %s", p["container"], p["name"], orNone(p["known"]))
	},
	sandbox.CodeUnknownImage: func(p map[string]string) string {
		if p["buildable"] != "" {
			return fmt.Sprintf("the image %q has not been made here yet: sudo ./scripts/images %s", p["image"], p["buildable"])
		}
		return fmt.Sprintf("there is no image %q here. There are: %s", p["image"], orNone(p["known"]))
	},
	sandbox.CodeNameTaken: func(p map[string]string) string { return fmt.Sprintf("%s %q is there already", p["kind"], p["name"]) },
	sandbox.CodeImmutable: func(p map[string]string) string {
		return fmt.Sprintf("%s cannot change while the pod lives: delete the pod first", p["field"])
	},
	sandbox.CodeOverCapacity: func(p map[string]string) string {
		if p["detail"] == "full" {
			return fmt.Sprintf("the node's %s is full: remove files or images", p["resource"])
		}
		return fmt.Sprintf("the node has not enough %s: %s asked for, %s free", p["resource"], p["asked"], p["free"])
	},
	sandbox.CodeMachineFull: func(p map[string]string) string { return fmt.Sprintf("the machine is full: %s nodes", p["limit"]) },
	sandbox.CodeMissingFeature: func(p map[string]string) string {
		return strings.TrimSuffix(fmt.Sprintf("this machine lacks %s. %s", p["feature"], p["remedy"]), " ")
	},
	sandbox.CodeNotFound: func(p map[string]string) string {
		if p["kind"] == "socket" {
			return "the root daemon does not run here, or --run names another directory"
		}
		return fmt.Sprintf("there is no %s %q", strings.ToLower(p["kind"]), p["name"])
	},
	sandbox.CodeNotRunning: func(p map[string]string) string { return fmt.Sprintf("%s %q is not running", p["kind"], p["name"]) },
	sandbox.CodeWaiting: func(p map[string]string) string {
		if p["pod"] == "" {
			return fmt.Sprintf("container %q is waiting to start: %s", p["container"], p["reason"])
		}
		return fmt.Sprintf("container %q in pod %q is waiting to start: %s", p["container"], p["pod"], p["reason"])
	},
	sandbox.CodeCannotStart: func(p map[string]string) string {
		return fmt.Sprintf("%s cannot be started in %s: %s", p["command"], orNode(p["container"]), p["detail"])
	},
	sandbox.CodeNodeGone: func(p map[string]string) string {
		return strings.TrimSuffix("the node is gone: "+strings.ReplaceAll(p["reason"], "_", " "), ": ")
	},
	sandbox.CodeBadRequest: func(p map[string]string) string {
		if p["want"] != "" {
			return fmt.Sprintf("not a valid %s: must be %s", p["detail"], p["want"])
		}
		return strings.TrimSuffix("not a valid request: "+p["detail"], ": ")
	},
	sandbox.CodeDenied:      func(map[string]string) string { return "not allowed" },
	sandbox.CodeTooLarge:    func(p map[string]string) string { return fmt.Sprintf("too large: at most %s bytes", p["limit"]) },
	sandbox.CodeUnavailable: func(map[string]string) string { return "the other side does not answer now; try again" },
	sandbox.CodeInternal:    func(map[string]string) string { return "internal error; the daemon's log has the details" },
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func orNode(s string) string {
	if s == "" {
		return "the node"
	}
	return s
}

// badValue says what a field should have held.
func badValue(p map[string]string) string {
	field, value := p["field"], p["value"]
	where := field
	if where == "" {
		where = "the document"
	}
	quoted := fmt.Sprintf("%s is %q", where, value)
	switch p["detail"] {
	case manifest.WantRequired:
		return where + " must be given"
	case manifest.WantOneObject:
		return "there is no object in it"
	case manifest.WantName:
		return quoted + ": not a valid name (lower-case letters, digits and -, at most 63)"
	case manifest.WantImage:
		return quoted + ": not a name for an image, such as nginx or registry.example:5000/team/app:v1"
	case manifest.WantUnique:
		return fmt.Sprintf("%s: %q stands there twice", where, value)
	case manifest.WantQuantity:
		return quoted + ": not a quantity such as 500m, 64Mi or 2"
	case manifest.WantChoice:
		return quoted + ": must be one of " + p["want"]
	case manifest.WantRange:
		return quoted + ": must be " + p["want"]
	case manifest.WantPath:
		return quoted + ": not an absolute path without .."
	case manifest.WantVariable:
		return quoted + ": not a name of an environment variable"
	case manifest.WantLabel:
		return quoted + ": not a valid label or annotation"
	case manifest.WantOneSource:
		return fmt.Sprintf("%s: volume %q must have exactly one source, such as emptyDir or hostPath", where, value)
	case manifest.WantBelow:
		return quoted + ": a request above its limit, " + p["want"]
	case manifest.WantJoin:
		return quoted + ": must be host or container:NAME"
	case manifest.WantRelative:
		return quoted + ": a relative path without .."
	case manifest.WantAddress:
		return quoted + ", which is no IP address"
	case manifest.WantKey:
		return quoted + ", which is no key: letters, digits, -, _ and dots"
	case manifest.WantBase64:
		return where + " is not base64; plain text goes into a Secret's stringData"
	case manifest.WantOneRef:
		return where + " needs exactly one source"
	case manifest.WantAlone:
		return fmt.Sprintf("%s cannot stand together with %s", where, p["want"])
	case manifest.WantSmaller:
		return where + " is too large when its aliases are expanded"
	case manifest.WantString, manifest.WantInteger, manifest.WantBoolean, manifest.WantList, manifest.WantMap:
		return fmt.Sprintf("%s: a %s is wanted here", quoted, p["detail"])
	}
	if p["detail"] == "" {
		return quoted + ", which cannot be"
	}
	return quoted + ": " + p["detail"]
}
