// Package host runs a folder of JavaScript and TypeScript files inside the
// program: it loads, compiles, isolates, bounds and calls them. It knows nothing
// of identity; what scripts can do is a table that the caller brings, an [API].
//
//	Files        the text of the folder at one moment       files.go
//	program      one file, compiled, with its source map    compile.go, columns.go
//	worker       one runtime in which every file ran        worker.go, module.go
//	Generation   a folder, loaded: a pool of equal workers  generation.go
//	Active       a call that is going on, and its limits    call.go
//
// [Load] takes all files or none. Each file is the body of a function, as in
// CommonJS, so that nothing but what it exports leaves it; esbuild turns import,
// export and TypeScript into that form, and its source maps keep every line and
// column that an administrator sees their own. A file runs once in every worker,
// and registers what it offers through the kinds of the API: functions such as
// flowFunction. All workers must come to the same registrations.
//
// A call runs on the goroutine of whoever makes it, in one worker, under a
// deadline. What goja cannot interrupt is its own built-ins: a sort or a regular
// expression that runs for seconds ends when it ends, and its result is thrown
// away. Nor can it limit memory. Scripts are therefore trusted like
// configuration; the bounds are there against mistakes, not against attacks.
//
// Workers hold no state that lasts: a variable of a file exists once per worker,
// and a worker is replaced when a function of the host panics in it.
package host
