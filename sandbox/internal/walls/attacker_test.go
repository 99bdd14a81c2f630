package walls

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

const attacker = "/tmp/attacker"

// attacks are what the program does in a node, by the name of its first argument. Each prints what it found.
var attacks = map[string]func(args []string){
	"calls": probeCalls, "call": call, "doors": probeDoors, "door": door, "enter": enter, "hold": hold, "overwrite": overwrite, "abstract": abstract,
	"besiege": besiege,
}

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == filepath.Base(attacker) {
		attacks[os.Args[1]](os.Args[2:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	return n
}
