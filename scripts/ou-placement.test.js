// Tests of ou-placement.js: write the places of your people.

test("people belong where they work", (t) => {
  t.equal(t.call("personDN", "Ada Berg", "7", "DE", "IT"), "CN=Ada Berg (7),OU=IT,OU=Berlin,DC=corp,DC=example");
  t.equal(t.call("personDN", "Ada Berg", "7", "DE", "Sales"), "CN=Ada Berg (7),OU=Staff,OU=Berlin,DC=corp,DC=example");
  t.equal(t.call("personDN", "Ada Berg", "7", "FR", undefined), "CN=Ada Berg (7),OU=Unsorted,DC=corp,DC=example");
  t.equal(t.call("personDN", "Berg, Ada", "7", undefined, undefined), "CN=Berg\\, Ada (7),OU=Unsorted,DC=corp,DC=example");
  t.equal(t.call("personDN", undefined, "7", "DE", "IT"), undefined);
});
