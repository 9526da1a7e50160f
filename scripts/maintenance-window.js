// No exports to a system while it must be left alone.
//
// When to use: a system may be written to only at certain times: not while payroll runs,
// not on the evening when it is maintained. Imports and synchronizations go on.
//
// It assumes an agent, here Directory. Change the agent, the days and the hours. An agent
// has one controller: put another one's functions in here.
//
// What is pending is kept, and exported when the window is over.

const zone = "Europe/Berlin";

// The window: Thursdays from 20:00 to 23:00.
const closed = { weekday: "Thursday", from: 20, to: 23 };

controller("Directory", {
  shouldExecute(run) {
    if (!run.run.includes("export")) return true;
    const [weekday, hour] = date.format(now(), "dddd HH", zone).split(" ");
    if (weekday !== closed.weekday || Number(hour) < closed.from || Number(hour) >= closed.to) return true;
    return { reason: `maintenance until ${closed.to}:00`, retryAfter: "10m" };
  },
});
