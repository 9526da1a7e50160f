// Imports when something changed in a directory, within seconds.
//
// When to use: a management agent reads a directory server, and a full import is
// too slow to find out every few seconds that nothing changed. The server must be able
// to say what changed since a cookie (RFC 4533): OpenLDAP with the overlay syncprov,
// or 389 Directory Server with its plugin for content synchronization.
//
// It assumes a directory in scripting.ldap of the configuration, here corp, and an
// agent that reads it, here Directory. Change both, and what is watched, in the list
// below. The first look, and one after the server has forgotten the cookie, asks for an
// import as well: no change is missed, deletions included.

/** @type {{ agent: AgentName, directory: string, base: string, scope?: LDAPScope, filter?: string, run: "delta-import" | "full-import" }[]} */
const watched = [
  { agent: "Directory", directory: "corp", base: "dc=corp,dc=example", filter: "(objectClass=inetOrgPerson)", run: "delta-import" },
];

for (const { agent, directory, run, ...watch } of watched) {
  trigger(`changes in ${directory} below ${watch.base}`, {
    agent,
    every: "5s",
    timeout: "30s", // the first look goes through everything
    check(ctx) {
      const seen = ctx.state.get("cookie");
      const { changed, cookie } = ldap.changes(directory, { ...watch, cookie: seen });
      if (cookie !== seen) ctx.state.set("cookie", cookie);
      return changed ? { run } : undefined;
    },
  });
}
