// Tests of phone-numbers.js: write the ways in which your people type numbers.

test("one form for all numbers", (t) => {
  for (const typed of ["030 / 1234-56", "0049 (30) 123456", "+49 (0) 30 123456"]) {
    t.equal(t.call("phoneNumber", typed, "49"), "+4930123456");
  }
  t.equal(t.call("phoneNumber", "+48 58 555 2563", "49"), "+48585552563");
});

test("what is no number contributes nothing", (t) => {
  t.equal(t.call("phoneNumber", "extension 5", "49"), undefined);
  t.equal(t.call("phoneNumber", undefined, "49"), undefined);
});
