package observe

import (
	"reflect"
	"slices"
	"testing"

	"podlab/sandbox"
)

// ignored are the fields that a fingerprint shall not depend on.
var ignored = []string{"Snapshot.Seq", "Snapshot.Time"}

// Every field of a snapshot is in the fingerprint, or named above: one that is added to the contract is not forgotten.
func TestFingerprintHoldsEveryField(t *testing.T) {
	var s sandbox.Snapshot
	fill(reflect.ValueOf(&s).Elem(), 1)
	before := Fingerprint(&s)
	if again := Fingerprint(&s); again != before {
		t.Fatal("two fingerprints of one snapshot differ")
	}
	n := 0
	eachLeaf(reflect.ValueOf(&s).Elem(), "Snapshot", func(name string, v reflect.Value) {
		n++
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		change(v)
		if differs := Fingerprint(&s) != before; differs == slices.Contains(ignored, name) {
			t.Errorf("%s: fingerprint differs %v", name, differs)
		}
		v.Set(old)
	})
	if n < 150 {
		t.Errorf("only %d fields tried", n)
	}
}

// fill sets every field, makes every list two long and every pointer point somewhere.
func fill(v reflect.Value, n int64) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n+int64(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n+1)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k": "v"}))
	case reflect.String:
		v.SetString(string(rune('a' + n%26)))
	case reflect.Bool:
		v.SetBool(n%2 == 0)
	case reflect.Uint64:
		v.SetUint(uint64(n) << 30)
	case reflect.Uint16:
		v.SetUint(uint64(n))
	default:
		v.SetInt(n)
	}
}

func eachLeaf(v reflect.Value, name string, fn func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachLeaf(v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name, fn)
		}
	case reflect.Pointer:
		eachLeaf(v.Elem(), name, fn)
	case reflect.Slice:
		for i := range v.Len() {
			eachLeaf(v.Index(i), name, fn)
		}
	default:
		fn(name, v)
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("Z") // as a state: a zombie
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint64:
		v.SetUint(v.Uint() + 1<<40)
	case reflect.Uint16:
		v.SetUint(v.Uint() ^ 1)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k": "other"}))
	default:
		v.SetInt(v.Int() + 1<<20)
	}
}

func TestFingerprintIgnoresChurn(t *testing.T) {
	a := sandbox.Snapshot{Processes: []sandbox.Process{{PID: 1, State: "S", RSS: 1 << 20}}}
	b := sandbox.Snapshot{Seq: 7, Time: 9, Processes: []sandbox.Process{{PID: 1, State: "R", RSS: 1<<20 + 4096}}}
	b.Node.Usage.CPU = 3000
	if !Equal(&a, &b) {
		t.Error("differ")
	}
	b.Processes[0].State = "Z"
	if Equal(&a, &b) {
		t.Error("a zombie is no difference")
	}
}
