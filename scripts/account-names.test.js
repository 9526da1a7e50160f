// Tests of account-names.js. They run whenever the scripts are loaded, and with
// `metasync test`; change them with your own rules for names.
//
// A file of its own, so that a new test is no change of the rules: nothing has to
// be synchronized again because of it.

test("initials take every part of a name", (t) => {
  t.equal(t.call("initials", "Hans-Jürgen", "von der Heide"), "HJVDH");
  t.equal(t.call("initials", "Łukasz", undefined), "L");
  t.equal(t.call("initials", undefined, undefined), undefined);
});

test("account names are plain letters and four digits", (t) => {
  t.equal(t.call("accountName", "Łukasz", "O'Brien", "100042"), "lobrien0042");
  t.equal(t.call("accountName", "Jürgen", "Größe", undefined), undefined);
  t.equal(t.expression("=accountName(givenName, sn, id)", { givenName: "Zoë", sn: "Berg", id: 100007 }), "zberg0007");
});
