package labs

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// facts teaches CEL the structs of package sandbox: fields by their JSON names, every number an int. It is a types.Provider and
// a types.Adapter. The generic ext.NativeTypes would do, but reads a field ten times slower and makes inodes uint, which authors
// would have to write as 0u.
type facts struct {
	*types.Registry
	byName map[string]*factType
	byGo   map[reflect.Type]*factType
}

// factType is one struct.
type factType struct {
	name   string
	celt   *types.Type
	fields map[string]*factField
	order  []string
}

// factField is one field of a struct.
type factField struct {
	index []int
	celt  *types.Type
	get   func(reflect.Value) ref.Val
}

func newFacts() *facts {
	registry, err := types.NewRegistry()
	if err != nil {
		panic(err) // without arguments it has nothing to fail on
	}
	return &facts{Registry: registry, byName: map[string]*factType{}, byGo: map[reflect.Type]*factType{}}
}

// typeOf returns the CEL type of a Go type, and learns the structs in it.
func (f *facts) typeOf(t reflect.Type) *cel.Type {
	celt, _ := f.learn(t)
	return celt
}

// learn returns the CEL type of t and how a value of it is read.
func (f *facts) learn(t reflect.Type) (*types.Type, func(reflect.Value) ref.Val) {
	switch t.Kind() {
	case reflect.String:
		return types.StringType, func(v reflect.Value) ref.Val { return types.String(v.String()) }
	case reflect.Bool:
		return types.BoolType, func(v reflect.Value) ref.Val { return types.Bool(v.Bool()) }
	case reflect.Int, reflect.Int64, reflect.Int32:
		return types.IntType, func(v reflect.Value) ref.Val { return types.Int(v.Int()) }
	case reflect.Uint64, reflect.Uint32:
		return types.IntType, func(v reflect.Value) ref.Val { return types.Int(int64(v.Uint())) } //nolint:gosec // inodes fit
	case reflect.Pointer:
		return f.learnPointer(t)
	case reflect.Slice:
		return f.learnSlice(t)
	case reflect.Map:
		return types.NewMapType(types.StringType, types.StringType), func(v reflect.Value) ref.Val {
			return types.NewStringStringMap(f, v.Interface().(map[string]string))
		}
	case reflect.Struct:
		ft := f.learnStruct(t)
		return ft.celt, func(v reflect.Value) ref.Val { return &fact{ft, v} }
	}
	panic(fmt.Sprintf("labs: expressions cannot read a %s", t))
}

func (f *facts) learnPointer(t reflect.Type) (*types.Type, func(reflect.Value) ref.Val) {
	celt, get := f.learn(t.Elem())
	return celt, func(v reflect.Value) ref.Val {
		if v.IsNil() {
			return absent(t.Elem().Name(), "")
		}
		return get(v.Elem())
	}
}

func (f *facts) learnSlice(t reflect.Type) (*types.Type, func(reflect.Value) ref.Val) {
	celt, get := f.learn(t.Elem())
	return types.NewListType(celt), func(v reflect.Value) ref.Val {
		all := make([]ref.Val, v.Len())
		for i := range all {
			all[i] = get(v.Index(i))
		}
		return types.NewRefValList(f, all)
	}
}

// learnStruct is not made for types that hold themselves: the contract has none.
func (f *facts) learnStruct(t reflect.Type) *factType {
	if known, ok := f.byGo[t]; ok {
		return known
	}
	name := "podlab." + t.Name()
	ft := &factType{name: name, celt: types.NewObjectType(name), fields: map[string]*factField{}}
	for _, field := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		celt, get := f.learn(field.Type)
		ft.fields[tag] = &factField{index: field.Index, celt: celt, get: get}
		ft.order = append(ft.order, tag)
	}
	f.byGo[t], f.byName[name] = ft, ft
	return ft
}

// FindStructType implements types.Provider.
func (f *facts) FindStructType(name string) (*types.Type, bool) {
	if t, ok := f.byName[name]; ok {
		return types.NewTypeTypeWithParam(t.celt), true
	}
	return f.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (f *facts) FindStructFieldNames(name string) ([]string, bool) {
	if t, ok := f.byName[name]; ok {
		return t.order, true
	}
	return f.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (f *facts) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := f.byName[name]
	if !ok {
		return f.Registry.FindStructFieldType(name, field)
	}
	ff, ok := t.fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:    ff.celt,
		IsSet:   func(target any) bool { o, ok := target.(*fact); return ok && !o.at(ff).IsZero() },
		GetFrom: func(target any) (any, error) { return readField(target, ff) },
	}, true
}

func readField(target any, field *factField) (any, error) {
	o, ok := target.(*fact)
	if !ok {
		return nil, errAbsent
	}
	v := field.get(o.at(field))
	if e, isErr := v.(*types.Err); isErr {
		return nil, errors.Unwrap(e)
	}
	return v, nil
}

// NativeToValue implements types.Adapter.
func (f *facts) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case *fact:
		return v
	case ref.Val:
		return v
	}
	return f.Registry.NativeToValue(v)
}

// value makes a CEL value of a struct that f learned.
func value[T any](f *facts, item *T) ref.Val {
	return &fact{f.byGo[reflect.TypeFor[T]()], reflect.ValueOf(item).Elem()}
}

// list makes a CEL list of structs that f learned.
func list[T any](f *facts, items []T) ref.Val {
	all := make([]ref.Val, len(items))
	for i := range items {
		all[i] = value(f, &items[i])
	}
	return types.NewRefValList(f, all)
}

// fact is one struct as a CEL value.
type fact struct {
	kind *factType
	v    reflect.Value
}

func (o *fact) at(field *factField) reflect.Value { return o.v.FieldByIndex(field.index) }

// Get implements traits.Indexer, which reads fields of values whose type was not known to the checker.
func (o *fact) Get(name ref.Val) ref.Val {
	field, ok := o.kind.fields[fmt.Sprint(name.Value())]
	if !ok {
		return types.NewErr("no such field: %v", name.Value())
	}
	return field.get(o.at(field))
}

// ConvertToNative implements ref.Val.
func (o *fact) ConvertToNative(t reflect.Type) (any, error) {
	if o.v.Type().ConvertibleTo(t) {
		return o.v.Convert(t).Interface(), nil
	}
	return nil, fmt.Errorf("%s is no %s", o.kind.name, t)
}

// ConvertToType implements ref.Val.
func (o *fact) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.kind.celt
	}
	return types.NewErr("%s cannot become %s", o.kind.name, t.TypeName())
}

// Equal implements ref.Val: equal fields, to any depth.
func (o *fact) Equal(other ref.Val) ref.Val {
	p, ok := other.(*fact)
	return types.Bool(ok && o.kind == p.kind && reflect.DeepEqual(o.v.Interface(), p.v.Interface()))
}

// Type implements ref.Val.
func (o *fact) Type() ref.Type { return o.kind.celt }

// Value implements ref.Val.
func (o *fact) Value() any { return o }

// of returns the struct behind a value of a list.
func of[T any](v ref.Val) (*T, bool) {
	o, ok := v.(*fact)
	if !ok || !o.v.CanAddr() {
		return nil, false
	}
	p, ok := o.v.Addr().Interface().(*T)
	return p, ok
}
