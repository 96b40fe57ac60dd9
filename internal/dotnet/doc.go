// Package dotnet writes and reads dates, numbers and time spans as .NET does, and
// knows the names that Windows gives to time zones: definition and template
// languages that come from .NET show its formats to people.
//
// It promises:
//
//  1. Standard and custom format strings mean what the .NET manual says they mean.
//  2. Times are exact to 100 ns, from year 1 to 9999.
//  3. A Decimal has 28 digits and keeps the zeros behind its point.
//  4. Cultures and formats are tables of this package, the same on every machine.
//     The rules of time zones are those of the tz data: of the system where it has
//     them, else of those embedded in the binary.
//
// It refuses cultures and time zones it does not know, by name, and does not know
// other calendars than the Gregorian.
package dotnet
