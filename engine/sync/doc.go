// Package sync is the synchronization of one object: the heart of the engine
// (sync-engine §3).
//
// [Synchronizer.Connector] takes a connector-space object through the inbound
// phase (deletion, connector filter, join, projection, import attribute flow)
// and, if that changed anything that others may see, takes the metaverse object
// through the outbound phase (provisioning, deprovisioning, export attribute
// flow). [Synchronizer.Object] does the outbound phase alone, for metaverse
// objects whose references could not flow before.
//
// Everything that one call changes is one unit of the transaction: it lands
// together or, if anything goes wrong, not at all; then only the error is stored
// with the object, which stays pending. Nothing here talks to a connected system
// or knows about runs. The same code over a transaction that is thrown away is a
// preview.
//
// This is the inside of the engine: package run walks objects through a
// [Synchronizer], and a [Result] says what became of one, by the counters of the
// run history. A Synchronizer holds nothing of an object from one call to the next,
// and is for one goroutine: the engine has one synchronization at a time.
//
// The files follow the phases: inbound.go, importflow.go, outbound.go with
// provisioning.go for what scripts ask for and container.go for what names tell of
// containers, exportflow.go with detect.go for what is looked at afterwards,
// deletion.go; references.go keeps the books of references that wait for their
// target; views.go shows objects to extensions. trace.go is what a preview tells of
// all decisions, tracing.go how it is written down, and candidates.go asks every
// flow into one attribute.
package sync
