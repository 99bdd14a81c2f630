package trace

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

// Layout randomisation puts a struct's fields into an anonymous struct; a union may be anonymous too.
func TestMemberLooksIntoAnonymous(t *testing.T) {
	word := &btf.Int{Name: "int", Size: 4}
	inner := &btf.Struct{Size: 8, Members: []btf.Member{{Name: "a", Type: word}, {Name: "pid", Type: word, Offset: 32}}}
	union := &btf.Union{Size: 8, Members: []btf.Member{{Type: inner}}}
	outer := &btf.Struct{Name: "task_struct", Size: 24, Members: []btf.Member{
		{Name: "flags", Type: word}, {Name: "bits", Type: word, Offset: 64, BitfieldSize: 3}, {Type: union, Offset: 128},
	}}
	if at, _, ok := member(outer, "pid"); !ok || at.Bytes() != 20 {
		t.Errorf("pid at %d, found %v", at.Bytes(), ok)
	}
	for _, name := range []string{"bits", "nowhere"} {
		if _, _, ok := member(outer, name); ok {
			t.Errorf("found %s", name)
		}
	}
}
