package load

import "testing"

func TestCrowded(t *testing.T) {
	for loadavg, want := range map[string]bool{
		"9.88 5.13 3.25 4/812 3120\n": true,
		"9.88 5.13 3.25 3/812 3120\n": false, // two and who asks
		"0.00 0.00 0.00 1/90 7\n":     false,
		"":                            false,
		"9 9 9 many/812 1":            false,
	} {
		if got := crowded([]byte(loadavg), 2); got != want {
			t.Errorf("%q: %v", loadavg, got)
		}
	}
}
