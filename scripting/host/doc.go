// Package host lets a program be extended by a folder of JavaScript and TypeScript
// files. It loads, compiles, tests, isolates, bounds and calls them, and replaces them
// while the program runs. It knows nothing of what they are for: what scripts can do is
// a table that the program brings, an [API].
//
// # How to use it
//
// Write the table. Each row binds a name, describes it, and declares it in TypeScript:
//
//	api := &host.API{
//		Kinds: []host.Kind{host.TestKind, host.Events("on", "Listens.",
//			host.Event{Name: "order.placed", Type: "Order", Doc: "Somebody orders."})},
//		Functions: []host.Member{{Name: "price", Signature: "(item: string): number",
//			Doc: "The price of one.", Call: host.Func(price)}},
//		Objects: []host.Object{*host.Log, *host.TestObject("Compares.")},
//		Types:   []host.Type{host.Module, {Name: "Orders", Text: "interface Order { item: string }"}},
//	}
//
// Open a host over the folder, have it watch, and call what scripts registered:
//
//	h, err := host.Open(ctx, host.Config{Folder: "scripts", API: api, Changed: tell})
//	if err != nil {
//		return err
//	}
//	defer h.Close()
//	go h.Watch(ctx)
//	results, err := h.Call(ctx, "on", "order.placed", order)
//
// In the folder lies, for example, this; [WriteTypes] has editors complete and check it:
//
//	on("order.placed", order => log.info("pays", { price: price(order.item) }));
//	test("tea has a price", t => t.equal(price("tea"), 4));
//
// The program in examples/embed-scripting is all of this in fewer than 50 lines.
//
// [Func] and [Host.Call] pass plain data, in the form of encoding/json. Whoever needs
// more, such as objects that are read property by property ([Active.View]), handles
// ([Active.Handle]), classes of errors ([ErrorClass]) or a time of its own for a call
// ([Call]), writes a [Kind] with its own Declare, members that take goja's values, and
// makes calls by [Generation.Do]. A program that loads scripts together with
// something else, such as its configuration, and swaps both at once, does without a
// [Host] and uses what that is made of: a [Loader], [Generation.Test],
// [Generation.Keep], and [Generation.Hold] with [Generation.Retire].
//
// # What it guarantees
//
// All or nothing. A generation is the whole folder: every file is compiled, and runs
// once in every worker; all workers must come to the same registrations; the tests must
// pass and the program must agree. Then it takes the place of the one before in one
// step. If anything is wrong, the last good generation stays in force, and the error
// lists everything that is, with file, line and column as they were written, in
// TypeScript, too. With a [Keeper] that holds over the end of the program.
//
// A unit of work sees one generation. [Host.Acquire] and [Host.Call] hold it; when the
// last one lets go, an old generation is closed.
//
// A change is a change of contents. Notifications are only a hint: what counts is a
// digest of the files. New folders, links that are swapped as a whole and what
// notifications miss are found; touched files, hidden ones and what editors leave
// while they write are none. Files are loaded when they have come to rest.
//
// Calls are bounded and apart. Each has a deadline, which interrupts loops and whatever
// scripts catch; a result that comes after it is thrown away, and an interrupt never
// hits the next call. The stack is bounded. Many goroutines may make calls; each is
// made on its caller's goroutine, in a worker that nobody else uses meanwhile. A
// function of the program that panics costs that call and its worker, no more. Once the
// files ran, built-ins cannot be changed, so that no call does so for the next one.
//
// Files are modules. What one does not export, no other sees; import and require reach
// files of the folder and nothing else. There is no network, file or process but what
// the table gives, and [Active.ReachOut] lets a table refuse in some calls what it
// grants in others.
//
// What would be answered wrongly is refused: see [Load].
//
// # What it cannot do
//
// Built-ins cannot be interrupted: the sort of a huge array, or a regular expression
// that backtracks for seconds, ends when it ends; then the call fails. Memory is
// watched from outside and bounded between the instructions of scripts; what one
// built-in allocates is bounded for those that make as much as a number says. So
// scripts are as trusted as the program's configuration: the bounds are there against
// mistakes, not against attacks.
//
// Workers hold no state that lasts: a variable of a file exists once per worker, and a
// worker is replaced when a function of the program panics in it or when the scripts
// take too much memory. What shall last is kept behind functions of the table, which
// many goroutines call.
//
// There are no timers, and no promise waits for anything outside: an async function has
// ended when its call has. The language is that of goja, with what esbuild can express
// in it: no Intl, no top-level await.
//
// Importing it bounds regular expressions in the whole program, in the package regexp2,
// to somewhat more than [MaxTimeout].
//
// # What lies where
//
//	Host         a folder, kept in force           host.go
//	Loader       a folder, or what was kept of it  loader.go, hold.go
//	Generation   a folder, loaded: equal workers   generation.go, version.go
//	Files        its text at one moment            files.go
//	program      one file, compiled                compile.go, columns.go, pitfalls.go
//	worker       a runtime in which all files ran  worker.go, module.go, apart.go
//	Active       a call that goes on, its limits   call.go, exception.go
//	             the memory, the built-ins         heap.go, bounds.go, lock.go
//	API          the table                         api.go, events.go, log.go, errors.go
//	             and its values                    data.go, plain.go, view.go, lazy.go, handle.go
//	             and its forms for people          markdown.go, editor.go
//	Test         comparing, deadlines, results     testing.go, equal.go
package host
