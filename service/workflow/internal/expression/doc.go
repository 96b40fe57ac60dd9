// Package expression is the language that workflow definitions compute with: the
// `@...` and `@{...}` in their strings.
//
// It promises:
//
//  1. A text is scanned, parsed and compiled once; a compiled one is evaluated any
//     number of times, by any number of goroutines.
//  2. The same text, context and budget give the same value and the same error
//     everywhere: what time it is, what is random and what a run knows comes from
//     the Context.
//  3. Evaluation ends: steps, depth and memory are bounded by the Budget, and a
//     bound that is hit is named.
//  4. Errors are in the words that people know from the cloud, so that what they
//     find about them there helps them here.
//  5. An object keeps the order of its members through every function.
//
// It refuses what the language does not have: operators, array and object
// literals, double quoted strings, functions it does not know. Each is named, with
// the column where it stands.
//
// A value is nil, a bool, an int64, a float64, a Decimal, a string, a []any or an
// *Object. Binary content and XML are objects with $content-type and $content.
package expression
