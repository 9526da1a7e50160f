// Imports when an API says that something changed.
//
// When to use: a system has an address that tells cheaply whether anything is new, by an
// ETag or by a number of its own, and what it offers is imported by an agent.
//
// It assumes an agent, here HR; the address must be granted in scripting.allow.http of the
// configuration, and the token be a secret in scripting.secrets, here changes. Change
// these, and the run profile.

const url = "https://hr.corp.example/api/changes";

trigger("HR changes", {
  agent: "HR",
  every: "1m",
  check(ctx) {
    const seen = ctx.state.get("etag");
    /** @type {Record<string, string>} */
    const headers = seen ? { "If-None-Match": seen } : {};
    const answer = http.get(url, { headers, auth: { bearer: secret("changes") } });
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error("the API said " + answer.status);
    const { etag } = answer.headers;
    if (!etag) throw new Error("the API gives no ETag: it cannot be told whether anything is new");
    if (etag === seen) return;
    ctx.state.set("etag", etag);
    return "delta-import";
  },
});
