// People who leave: their accounts are disabled at once, and go after a grace period.
//
// When to use: the source says until when somebody works here, and accounts must stay for
// a while after that, because a contract is often prolonged late.
//
// It assumes metaverse objects with endDate, a text such as 2026-01-31, which is the last
// day, and an agent, here Accounts, whose objects have an attribute enabled (yes or no)
// and which says what becomes of an account that is cut off:
//
//     Accounts: {deprovision: delete, thresholds: {export: {deletes: 10}}}
//     outbound: {flows: {enabled: {script: enabled}}}
//
// provision-person.js calls deprovisionLeaver. Who comes back within the grace period has
// the account as it was. The rules look at a person when something changes, and time
// alone changes nothing: have everything synchronized every night or every week, see
// weekly-full-sync.js. A date that cannot be read is an error on the person, and decides
// nothing.

const graceDays = 30;
const zone = "Europe/Berlin";

// daysSince returns how many days somebody has been gone: 0 or less while they work here.
export const daysSince = (endDate) => (endDate ? date.days(date.parse(endDate, "yyyy-MM-dd", zone), now(), zone) : 0);

flow("person", "enabled", (person) => (daysSince(person.endDate) > 0 ? "no" : "yes"));

// hasLeft reports whether the grace period of a person is over.
export const hasLeft = (person) => daysSince(person.endDate) > graceDays;

/** @param {MetaverseEntry<"person">} person @param {ProvisionContext} ctx */
export function deprovisionLeaver(person, ctx) {
  for (const account of person.$connectors("Accounts")) {
    log.info("the grace period of a leaver is over", { account: account.$anchor, endDate: person.endDate });
    ctx.disconnect(account);
  }
}
