// A full synchronization of everything every week, with nothing beside it.
//
// When to use: rules depend on something that changes without an import, such as the
// date or a lookup table, or the week's work should be checked once as a whole. Set the
// agents in the order in which they shall be synchronized, and the time.
//
// It assumes agents with the default run profiles, here HR. An exclusive run waits until
// the others have ended, and none starts beside it.

/** @type {AgentName[]} */
const agents = ["HR"];

for (const agent of agents) {
  trigger(`weekly full synchronization of ${agent}`, {
    agent,
    cron: "0 3 * * 0",
    timezone: "Europe/Berlin",
    run: { run: "full-sync", exclusive: true },
  });
}
