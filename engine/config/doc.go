// Package config turns metasync.yaml into one typed [Config].
//
// The way of a configuration:
//
//  1. read: the file and its includes become trees of nodes, each with its
//     line and column; ${env:NAME} and ${file:PATH} are replaced (node.go,
//     include.go, secrets.go);
//  2. decode: the nodes fill the structs of keys.go, agents.go and rules.go.
//     Their fields and tags are the only description of the keys: the loader,
//     the JSON Schema ([Schema]) and the reference text ([Reference]) all read
//     it (decode.go, forms.go, schema.go, reference.go);
//  3. check: what one part says about another must hold: a rule names an agent
//     that exists, a trigger a profile (check.go).
//
// Every step goes on after a mistake, so that an administrator sees all of them
// at once; a configuration with any mistake is refused as a whole. What is
// wrong is told as a [fault.Error] with file, line and column, and never shows
// a value that came from ${env:} or ${file:}.
//
// Kinds of agents come in by [Options]; this package knows none of them. It is
// the only one that knows YAML.
//
// For a program that embeds the engine, [Load] is another way to write a
// definition: [Config.Model] is the model, and each [Agent] has settings whose Open
// returns the agent, besides profiles and thresholds. The metasync daemon does
// just that. A Config belongs to the caller; nothing is read again after Load.
package config
