// Tests of directory-changes.js: what the server answers, and what is asked for then.

test("a change in the directory asks for an import", (t) => {
  const name = "changes in corp below dc=corp,dc=example";
  let asked;
  t.ldap((question) => {
    asked = question;
    return { changed: question.about.cookie !== "2", cookie: "2" };
  });
  t.equal(t.trigger(name, { state: { cookie: "1" } }), {
    requests: [{ agent: "Directory", run: "delta-import" }], state: { cookie: "2" },
  });
  t.equal(asked.about.cookie, "1");
  t.equal(t.trigger(name, { state: { cookie: "2" } }), { requests: [], state: { cookie: "2" } });
});
