package trace

// registerShift is where an argument's register lies in the field that registers names, in bytes.
var registerShift = [callArgs]uint32{0, 8, 16, 24}

// registers are where struct pt_regs has a system call's arguments: x0 to x3. Its result has taken the place of the first.
func (o *offsets) registers() []wanted {
	list := []wanted{{&o.regsArgs[0], "pt_regs", []string{"orig_x0"}}}
	for i := 1; i < callArgs; i++ {
		list = append(list, wanted{&o.regsArgs[i], "user_pt_regs", []string{"regs"}})
	}
	return list
}
