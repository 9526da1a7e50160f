// Tests of leavers.js, from the last day on.

const leaver = { employeeID: "7", givenName: "Ada", sn: "Berg", endDate: "2026-01-31" };
const withAccount = { ...leaver, $connectors: { Accounts: [{ $anchor: "aberg" }] } };

test("an account is disabled the day after the last one", (t) => {
  t.at("2026-01-31T20:00:00Z");
  t.equal(t.flow("person", "enabled", leaver), "yes");
  t.at("2026-01-31T23:30:00Z"); // it is February in Berlin
  t.equal(t.flow("person", "enabled", leaver), "no");
  t.equal(t.flow("person", "enabled", { ...leaver, endDate: undefined }), "yes");
});

test("an account goes when the grace period is over", (t) => {
  const gone = () => t.provision("person", withAccount).filter((asked) => "disconnect" in asked && asked.disconnect.agent === "Accounts");
  t.at("2026-03-02T12:00:00Z"); // the thirtieth day
  t.equal(gone(), []);
  t.at("2026-03-03T12:00:00Z");
  t.equal(gone(), [{ disconnect: { agent: "Accounts", connector: "aberg" } }]);
});

test("nobody gets an account after that, and a bad date decides nothing", (t) => {
  t.at("2026-03-03T12:00:00Z");
  t.equal(t.provision("person", leaver), []);
  t.throws(() => t.provision("person", { ...withAccount, endDate: "soon" }));
  t.throws(() => t.flow("person", "enabled", { ...leaver, endDate: "soon" }));
});
