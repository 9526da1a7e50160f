// Tests of names.js. They run whenever the scripts are loaded: a change that
// breaks one does not take effect. `metasync test` runs them by hand.

test("account names", (t) => {
  t.equal(t.call("accountName", "Zoë", "von der Heide", "100028"), "zvonder0028");
  t.equal(t.call("accountName", "Łukasz", "O'Brien", "100042"), "lobrien0042");
  t.equal(t.call("accountName", undefined, "O'Brien", "100042"), undefined);
});

test("mail addresses", (t) => {
  t.equal(t.call("mailAddress", "İsmail", "Işık-Größe", "100028"), "ismail.isik-grosse.0028@example.com");
  t.equal(t.expression("=mailAddress(givenName, sn, id)", { givenName: "Zoë", sn: "Berg", id: "100007" }), "zoe.berg.0007@example.com");
});

test("a new file asks for a full import", (t) => {
  t.equal(t.trigger("HR file").requests, [{ agent: "HR", run: "full-import" }]);
});
