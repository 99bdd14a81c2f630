package expr

import (
	"reflect"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"

	"podlab/sandbox"
)

// Pod is a pod as expressions see it: its status, and its containers as they were observed.
type Pod struct {
	Name          string              `json:"name"`
	UID           string              `json:"uid"`
	IP            string              `json:"ip"`
	Phase         string              `json:"phase"`
	Reason        string              `json:"reason"`
	Ready         bool                `json:"ready"`
	Labels        map[string]string   `json:"labels"`
	RestartPolicy string              `json:"restartPolicy"`
	Infra         *sandbox.Container  `json:"infra"`
	Containers    []sandbox.Container `json:"containers"`
	Volumes       []sandbox.Volume    `json:"volumes"`
	Net           *sandbox.Network    `json:"net"`
}

// variables are the names that expressions may use, with the Go type of each.
var variables = []struct {
	name string
	kind reflect.Type
}{
	{"pods", reflect.TypeFor[[]Pod]()},
	{"containers", reflect.TypeFor[[]sandbox.Container]()},
	{"processes", reflect.TypeFor[[]sandbox.Process]()},
	{"networks", reflect.TypeFor[[]sandbox.Network]()},
	{"sockets", reflect.TypeFor[[]sandbox.Socket]()},
	{"volumes", reflect.TypeFor[[]sandbox.Volume]()},
	{"ipc", reflect.TypeFor[[]sandbox.IPCObject]()},
	{"moments", reflect.TypeFor[[]sandbox.Moment]()},
	{"node", reflect.TypeFor[sandbox.NodeView]()},
	{"kept", reflect.TypeFor[map[string]string]()},
}

// language is what all expressions are compiled and evaluated in. It does not change.
type language struct {
	env     *cel.Env
	structs *structs
}

// vocabulary makes the language once.
var vocabulary = sync.OnceValue(func() language {
	structs := newStructs()
	options := []cel.EnvOption{
		cel.CustomTypeProvider(structs), cel.CustomTypeAdapter(structs),
		ext.Strings(),
	}
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, structs.typeOf(v.kind)))
	}
	pod, container := structs.typeOf(reflect.TypeFor[Pod]()), structs.typeOf(reflect.TypeFor[sandbox.Container]())
	options = append(options, finder("pod", "pods", pod, pod, findPod)...)
	options = append(options, finder("container", "containers", container, container, findContainer)...)
	options = append(options, finder("hasPod", "pods", pod, cel.BoolType, has(findPod))...)
	options = append(options, finder("hasContainer", "containers", container, cel.BoolType, has(findContainer))...)
	env, err := cel.NewEnv(options...)
	if err != nil {
		panic(err) // the declarations above are wrong
	}
	return language{env, structs}
})

// finder declares name(x), which looks x up in a list variable. CEL functions do not see variables, so name(x) is written out as
// name(list, x) by a macro.
func finder(name, list string, element, result *cel.Type, find func(traits.Lister, string) ref.Val) []cel.EnvOption {
	expand := func(f cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		return f.NewCall(name, f.NewIdent(list), args[0]), nil
	}
	call := func(all, wanted ref.Val) ref.Val {
		objects, ok := all.(traits.Lister)
		id, isText := wanted.(types.String)
		if !ok || !isText {
			return types.MaybeNoSuchOverloadErr(wanted)
		}
		return find(objects, string(id))
	}
	return []cel.EnvOption{
		cel.Macros(cel.GlobalMacro(name, 1, expand)),
		cel.Function(name, cel.Overload(name+"_in_list", []*cel.Type{cel.ListType(element), cel.StringType}, result, cel.BinaryBinding(call))),
	}
}

// absent is an expression's error about something that is not there.
func absent(kind, name string) ref.Val {
	return types.WrapErr(absentError{kind, name})
}

type absentError struct{ kind, name string }

func (e absentError) Error() string   { return e.kind + " " + e.name + " is not there" }
func (e absentError) Is(t error) bool { return t == errAbsent }

func has(find func(traits.Lister, string) ref.Val) func(traits.Lister, string) ref.Val {
	return func(all traits.Lister, name string) ref.Val { return types.Bool(!types.IsError(find(all, name))) }
}

func findPod(all traits.Lister, name string) ref.Val {
	for i := range int(all.Size().(types.Int)) {
		v := all.Get(types.Int(i))
		if pod, ok := of[Pod](v); ok && pod.Name == name {
			return v
		}
	}
	return absent("pod", name)
}

// findContainer takes an id, or the bare name of a pod's container when it is the only one of that name.
func findContainer(all traits.Lister, name string) ref.Val {
	var found ref.Val
	named := 0
	for i := range int(all.Size().(types.Int)) {
		v := all.Get(types.Int(i))
		c, ok := of[sandbox.Container](v)
		switch {
		case !ok:
		case c.ID == name:
			return v
		case c.Kind == sandbox.KindApp && c.Name == name:
			found = v
			named++
		}
	}
	if named != 1 {
		return absent("container", name)
	}
	return found
}

// KeptNames returns the names in kept.NAME that an expression uses.
func KeptNames(source string) ([]string, error) {
	parsed, issues := vocabulary().env.Parse(source)
	if issues.Err() != nil {
		return nil, celError(issues)
	}
	var names []string
	visit := ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			if s := e.AsSelect(); isKept(s.Operand()) {
				names = append(names, s.FieldName())
			}
		case ast.CallKind:
			c := e.AsCall()
			if c.FunctionName() == operators.Index && isKept(c.Args()[0]) && c.Args()[1].Kind() == ast.LiteralKind {
				if name, ok := c.Args()[1].AsLiteral().(types.String); ok {
					names = append(names, string(name))
				}
			}
		}
	})
	ast.PostOrderVisit(parsed.NativeRep().Expr(), visit)
	return names, nil
}

func isKept(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "kept" }
