// Package cases reads expressions with their inputs, and what is expected of
// them, from JSON: what `metasync eval` evaluates, and corpora of examples such
// as
//
//	[{"id": 1, "dialect": "fim", "expr": "UpperCase(sn)", "inputs": {"sn": "Byron"}, "expected": "BYRON"}]
//
// In reading order: [Read], [Case] and its Run, [Input].
package cases
