package expr

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// structs teaches CEL the structs of package sandbox: fields by their JSON names, every number an int. It is a types.Provider and
// a types.Adapter. The generic ext.NativeTypes would do, but reads a field ten times slower and makes inodes uint, which authors
// would have to write as 0u.
type structs struct {
	*types.Registry
	byName map[string]*structType
	byGo   map[reflect.Type]*structType
}

// structType is one struct.
type structType struct {
	name   string
	celt   *types.Type
	fields map[string]*structField
	order  []string
}

// structField is one field of a struct.
type structField struct {
	index []int
	celt  *types.Type
	get   func(reflect.Value) ref.Val
}

func newStructs() *structs {
	registry, err := types.NewRegistry()
	if err != nil {
		panic(err) // without arguments it has nothing to fail on
	}
	return &structs{Registry: registry, byName: map[string]*structType{}, byGo: map[reflect.Type]*structType{}}
}

// typeOf returns the CEL type of a Go type, and learns the structs in it.
func (s *structs) typeOf(t reflect.Type) *cel.Type {
	celt, _ := s.learn(t)
	return celt
}

// learn returns the CEL type of t and how a value of it is read.
func (s *structs) learn(t reflect.Type) (*types.Type, func(reflect.Value) ref.Val) {
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
		return s.learnPointer(t)
	case reflect.Slice:
		return s.learnSlice(t)
	case reflect.Map:
		return types.NewMapType(types.StringType, types.StringType), func(v reflect.Value) ref.Val {
			return types.NewStringStringMap(s, v.Interface().(map[string]string))
		}
	case reflect.Struct:
		ft := s.learnStruct(t)
		return ft.celt, func(v reflect.Value) ref.Val { return &object{ft, v} }
	}
	panic(fmt.Sprintf("labs: expressions cannot read a %s", t))
}

func (s *structs) learnPointer(t reflect.Type) (*types.Type, func(reflect.Value) ref.Val) {
	celt, get := s.learn(t.Elem())
	return celt, func(v reflect.Value) ref.Val {
		if v.IsNil() {
			return absent(t.Elem().Name(), "")
		}
		return get(v.Elem())
	}
}

func (s *structs) learnSlice(t reflect.Type) (*types.Type, func(reflect.Value) ref.Val) {
	celt, get := s.learn(t.Elem())
	return types.NewListType(celt), func(v reflect.Value) ref.Val {
		all := make([]ref.Val, v.Len())
		for i := range all {
			all[i] = get(v.Index(i))
		}
		return types.NewRefValList(s, all)
	}
}

// learnStruct is not made for types that hold themselves: the contract has none.
func (s *structs) learnStruct(t reflect.Type) *structType {
	if known, ok := s.byGo[t]; ok {
		return known
	}
	name := "podlab." + t.Name()
	ft := &structType{name: name, celt: types.NewObjectType(name), fields: map[string]*structField{}}
	for _, field := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		celt, get := s.learn(field.Type)
		ft.fields[tag] = &structField{index: field.Index, celt: celt, get: get}
		ft.order = append(ft.order, tag)
	}
	s.byGo[t], s.byName[name] = ft, ft
	return ft
}

// FindStructType implements types.Provider.
func (s *structs) FindStructType(name string) (*types.Type, bool) {
	if t, ok := s.byName[name]; ok {
		return types.NewTypeTypeWithParam(t.celt), true
	}
	return s.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (s *structs) FindStructFieldNames(name string) ([]string, bool) {
	if t, ok := s.byName[name]; ok {
		return t.order, true
	}
	return s.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (s *structs) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := s.byName[name]
	if !ok {
		return s.Registry.FindStructFieldType(name, field)
	}
	ff, ok := t.fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:    ff.celt,
		IsSet:   func(target any) bool { o, ok := target.(*object); return ok && !o.at(ff).IsZero() },
		GetFrom: func(target any) (any, error) { return readField(target, ff) },
	}, true
}

func readField(target any, field *structField) (any, error) {
	o, ok := target.(*object)
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
func (s *structs) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case *object:
		return v
	case ref.Val:
		return v
	}
	return s.Registry.NativeToValue(v)
}

// value makes a CEL value of a struct that s learned.
func value[T any](s *structs, item *T) ref.Val {
	return &object{s.byGo[reflect.TypeFor[T]()], reflect.ValueOf(item).Elem()}
}

// list makes a CEL list of structs that s learned.
func list[T any](s *structs, items []T) ref.Val {
	all := make([]ref.Val, len(items))
	for i := range items {
		all[i] = value(s, &items[i])
	}
	return types.NewRefValList(s, all)
}

// object is one struct as a CEL value.
type object struct {
	kind *structType
	v    reflect.Value
}

func (o *object) at(field *structField) reflect.Value { return o.v.FieldByIndex(field.index) }

// Get implements traits.Indexer, which reads fields of values whose type was not known to the checker.
func (o *object) Get(name ref.Val) ref.Val {
	field, ok := o.kind.fields[fmt.Sprint(name.Value())]
	if !ok {
		return types.NewErr("no such field: %v", name.Value())
	}
	return field.get(o.at(field))
}

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	if o.v.Type().ConvertibleTo(t) {
		return o.v.Convert(t).Interface(), nil
	}
	return nil, fmt.Errorf("%s is no %s", o.kind.name, t)
}

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.kind.celt
	}
	return types.NewErr("%s cannot become %s", o.kind.name, t.TypeName())
}

// Equal implements ref.Val: equal fields, to any depth.
func (o *object) Equal(other ref.Val) ref.Val {
	p, ok := other.(*object)
	return types.Bool(ok && o.kind == p.kind && reflect.DeepEqual(o.v.Interface(), p.v.Interface()))
}

// Type implements ref.Val.
func (o *object) Type() ref.Type { return o.kind.celt }

// Value implements ref.Val.
func (o *object) Value() any { return o }

// of returns the struct behind a value of a list.
func of[T any](v ref.Val) (*T, bool) {
	o, ok := v.(*object)
	if !ok || !o.v.CanAddr() {
		return nil, false
	}
	p, ok := o.v.Addr().Interface().(*T)
	return p, ok
}
