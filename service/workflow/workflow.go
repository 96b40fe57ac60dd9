// Package workflow is the workflow engine: it runs definitions that were written for
// Azure Logic Apps as they are.
//
// The nouns: a *definition* is what a user writes; a *workflow* is a definition that
// is deployed; a *run* is one time that it is carried out; an *action* is one step.
//
// What it promises:
//
//  1. A definition is judged before it is stored, and all that is wrong with it is
//     said at once, with the JSON path, the line and the column.
//  2. What cannot run here is refused by name, never dropped.
//
// It refuses to know other services: it meets them by resource id and by the
// interfaces it declares.
package workflow
