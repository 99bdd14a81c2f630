package trace

// registerShift is where an argument's register lies in the field that registers names, in bytes.
var registerShift [callArgs]uint32

// registers are where struct pt_regs has a system call's arguments (entry_64.S: rdi, rsi, rdx, r10).
func (o *offsets) registers() (list []wanted) {
	for i, name := range [callArgs]string{"di", "si", "dx", "r10"} {
		list = append(list, wanted{&o.regsArgs[i], "pt_regs", []string{name}})
	}
	return list
}
