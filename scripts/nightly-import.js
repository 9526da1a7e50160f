// A full import every night.
//
// When to use: delta imports or a file watch keep an agent up to date through
// the day, and once a day everything should be compared, so that whatever they
// missed is found. Set the agents' names and the time; a name that the
// configuration does not have is refused when the scripts are loaded.
//
// The trigger only asks; the scheduler starts the runs one after another, and
// synchronizes and exports what they found.

/** @type {AgentName[]} */ // so that an editor knows the names, see docs/scripting.md
const agents = ["HR"];

for (const agent of agents) {
  trigger(`nightly import of ${agent}`, {
    agent,
    cron: "0 2 * * *",
    timezone: "Europe/Berlin",
    run: "full-import",
  });
}
