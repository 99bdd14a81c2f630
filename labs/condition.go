package labs

// Condition is a compiled CEL expression of type bool.
type Condition struct{ Source string }

// Value is a compiled CEL expression whose result is shown to the learner as text.
type Value struct{ Source string }

// Pattern is a compiled regular expression (RE2).
type Pattern struct{ Source string }
