/**
 * Registers a test of the scripts, which fails if it throws, or if one of its comparisons fails.
 * Tests run whenever the scripts are loaded, and one that fails keeps them from taking effect.
 * A test has two seconds, all of them have ten.
 */
declare function test(name: string, body: (t: Test) => void | Promise<void>): void;

/**
 * Listens to what happens.
 *
 * - `order.placed`: Somebody orders. The result goes on the bill.
 */
declare function on<E extends "order.placed">(event: E, listener: { "order.placed": (event: Order) => string | Promise<string> }[E]): void;

/** Returns the price of one. */
declare function price(item: string): number;

declare const log: Log;
/**
 * Writes to the log of the program. Each line says where in the scripts it comes from.
 * A place that logs more than 10 lines in a second is cut short, and the rest is counted.
 */
interface Log {
	/** Logs what helps to find a mistake; not shown by default. */
	debug(message: unknown, fields?: Record<string, unknown>): void;
	/** Logs what happened. */
	info(message: unknown, fields?: Record<string, unknown>): void;
	/** Logs what somebody should look at. */
	warn(message: unknown, fields?: Record<string, unknown>): void;
	/** Logs what failed. */
	error(message: unknown, fields?: Record<string, unknown>): void;
}

/** What a test compares with. */
interface Test {
	/** Fails unless both are the same: values, arrays, plain objects, Dates and Uint8Arrays by what is in them. */
	equal(got: any, want: any): void;
	/** Fails unless the function throws an error; its text must contain a text, match a pattern, or be of a class. */
	throws(fn: () => void, like?: string | RegExp | (new (...args: any[]) => Error)): void;
	/** Sets the time for the rest of the test, `t.at("2026-01-05T02:00:00Z")`. It begins as 2026-01-01T00:00:00Z. */
	at(time: string | Date): void;
}

/**
 * Each file is a module: it shares with others only what it exports. `import` and `export` work too,
 * between the files of the scripts folder.
 */
declare function require(file: string): any;
declare const module: { exports: any };
declare const exports: any;

interface Order { customer: string; item: string; count: number }
