// Opens a ticket when a run ends with errors, and closes it when one ends without.
//
// When to use: incidents are handled in a ticket system that takes JSON over HTTP and
// checks a signature. Mail and webhooks of one form need no script: see notify in the
// configuration.
//
// It assumes the address in scripting.allow.http, and the key of the signature as the
// secret tickets in scripting.secrets. Change the address and what is sent. The signature
// is the HMAC-SHA256 of the body, in hex.
//
// One ticket for each agent and run profile is open at a time: the next error of the same
// result tells nobody anything new.

const url = "https://tickets.corp.example/hooks/metasync";
const fine = ["success", "completed-no-objects"];

/** @param {object} ticket */
function send(ticket) {
  const body = JSON.stringify(ticket);
  const answer = http.post(url, body, {
    headers: { "Content-Type": "application/json", "X-Signature": "sha256=" + hash.hmac(secret("tickets"), body) },
  });
  if (!answer.ok) throw new Error(`the ticket system said ${answer.status}`);
}

on("run.completed", ({ record }, ctx) => {
  const key = `${record.agent} ${record.profile}`;
  const before = ctx.state.get(key);
  if (fine.includes(record.result)) {
    if (before === undefined) return;
    send({ key, state: "resolved", run: record.run });
    ctx.state.delete(key);
    return;
  }
  if (before === record.result) return;
  const errors = record.steps.flatMap((step) => [
    ...(step["discovery-errors"] ?? []), ...(step["synchronization-errors"] ?? []), ...(step["export-errors"] ?? []),
  ]);
  send({
    key, state: "open", run: record.run, result: record.result, errors: errors.length,
    first: errors.slice(0, 5).map((e) => `${e.dn ?? ""} ${e["error-type"]}`.trim()),
  });
  ctx.state.set(key, record.result);
});
