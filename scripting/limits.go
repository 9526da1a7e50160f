package scripting

import "time"

// How long calls may take, by what is called. None may take longer than
// host.MaxTimeout; loading a file has five seconds.
//
//	flowFunction, flow, extension, metaverse, configure   ruleTimeout, or Options.Timeout
//	check of a trigger                                    checkTimeout, or timeout of the trigger
//	hooks of controllers and of runs                      hookTimeout, or timeout of the registration
//	test                                                  two seconds, all of them ten: package host
const (
	ruleTimeout  = time.Second      // it is called for every object
	checkTimeout = 10 * time.Second // it may ask another system
	hookTimeout  = 10 * time.Second // it may tell
)

// What calls may hand over. A text that a script logs is cut off at 4 KiB, and its
// plain data has bounds of its own: see package host.
const (
	maxValues  = 1_000_000 // values of one attribute
	maxValue   = 16 << 20  // bytes of one of them
	maxResult  = 128 << 20 // bytes of all of them
	maxNew     = 10_000    // attributes of an object that is provisioned
	maxRequest = 1000      // requests of one check of a trigger

	// What a trigger remembers. How many keys there may be is the business of
	// whoever keeps them.
	maxStateKey   = 256      // bytes
	maxStateValue = 64 << 10 // bytes, as JSON
)
