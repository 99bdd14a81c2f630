package sandbox

import (
	"errors"
	"math"
	"math/bits"
	"strings"
)

// ErrQuantity says that a string is no quantity.
var ErrQuantity = errors.New("not a quantity: a number with an optional suffix such as m, k, M, G, Ki, Mi, Gi")

// Quantity is an amount of cpu, memory or processes as Kubernetes writes it: "500m", "64Mi", "1.5", "2e3". It is never negative.
type Quantity struct {
	whole int64
	nano  int64 // 0–999999999
}

const (
	nanos = 1_000_000_000
	// maxFraction is how many digits after the point are read: so many fit an int64.
	maxFraction = 18
)

// ParseQuantity reads a quantity as k8s.io/apimachinery/pkg/api/resource does: parts below a thousand-millionth are rounded up,
// amounts above math.MaxInt64 are cut to it. Negative amounts, which no resource can have, are refused.
func ParseQuantity(s string) (Quantity, error) {
	number, suffix := splitQuantity(strings.TrimPrefix(s, "+"))
	whole, fraction, _ := strings.Cut(number, ".")
	if (whole == "" && fraction == "") || strings.Contains(fraction, ".") || len(s) > 64 || len(fraction) > maxFraction {
		return Quantity{}, ErrQuantity
	}
	if power, ok := binaryPower[suffix]; ok {
		return binaryQuantity(whole, fraction, power), nil
	}
	power, ok := decimalPower(suffix)
	if !ok {
		return Quantity{}, ErrQuantity
	}
	return decimalQuantity(whole, fraction, power), nil
}

// Value is the amount in whole units, rounded up.
func (q Quantity) Value() int64 {
	if q.nano > 0 && q.whole < math.MaxInt64 {
		return q.whole + 1
	}
	return q.whole
}

// MilliValue is the amount in thousandths, rounded up.
func (q Quantity) MilliValue() int64 {
	if q.whole > math.MaxInt64/1000-1 {
		return math.MaxInt64
	}
	return q.whole*1000 + (q.nano+999_999)/1_000_000
}

// Compare is -1, 0 or 1 as q is less than, equal to, or more than other.
func (q Quantity) Compare(other Quantity) int {
	switch {
	case q.whole < other.whole, q.whole == other.whole && q.nano < other.nano:
		return -1
	case q == other:
		return 0
	}
	return 1
}

func splitQuantity(s string) (number, suffix string) {
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

var binaryPower = map[string]int{"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

var decimalSuffix = map[string]int{"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

// decimalPower reads a decimal suffix or an exponent: e3, E-3.
func decimalPower(suffix string) (int, bool) {
	if power, ok := decimalSuffix[suffix]; ok {
		return power, true
	}
	if suffix[0] != 'e' && suffix[0] != 'E' {
		return 0, false
	}
	digits, sign := suffix[1:], 1
	switch {
	case strings.HasPrefix(digits, "-"):
		digits, sign = digits[1:], -1
	case strings.HasPrefix(digits, "+"):
		digits = digits[1:]
	}
	if digits == "" || len(digits) > 2 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	return sign * int(digitsToUint(digits)), true
}

// decimalQuantity moves the point: the digits left of it are the whole, the next nine the nanos, any rest rounds up.
func decimalQuantity(whole, fraction string, power int) Quantity {
	digits := whole + fraction
	point := len(whole) + power
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if missing := point + 9 - len(digits); missing > 0 {
		digits += strings.Repeat("0", missing)
	}
	units := digitsToUint(digits[:point])
	nano := digitsToUint(digits[point : point+9])
	if strings.Trim(digits[point+9:], "0") != "" {
		nano++
	}
	return carried(units, nano)
}

func binaryQuantity(whole, fraction string, power int) Quantity {
	units := digitsToUint(whole)
	if units > math.MaxInt64>>power {
		return Quantity{whole: math.MaxInt64}
	}
	units <<= power
	scale := uint64(1)
	for range fraction {
		scale *= 10
	}
	high, low := bits.Mul64(digitsToUint(fraction), 1<<power)
	more, rest := bits.Div64(high, low, scale)
	high, low = bits.Mul64(rest, nanos)
	nano, rest := bits.Div64(high, low, scale)
	if rest > 0 {
		nano++
	}
	return carried(units+more, nano)
}

func carried(units, nano uint64) Quantity {
	units += nano / nanos
	if units >= math.MaxInt64 {
		return Quantity{whole: math.MaxInt64}
	}
	return Quantity{whole: int64(units), nano: int64(nano % nanos)}
}

// digitsToUint reads decimal digits and stops counting at math.MaxInt64.
func digitsToUint(digits string) uint64 {
	var n uint64
	for i := range len(digits) {
		if n > (math.MaxInt64-9)/10 {
			return math.MaxInt64
		}
		n = n*10 + uint64(digits[i]-'0')
	}
	return n
}
