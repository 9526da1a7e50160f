// Tests of http-poll.js: what the API answers, and what is asked for then.

test("a new ETag asks for an import", (t) => {
  t.secret("changes", "a token");
  t.http((request) => {
    t.equal(request.headers.authorization, "[secret]");
    return request.headers["if-none-match"] === '"2"' ? { status: 304 } : { headers: { etag: '"2"' } };
  });
  t.equal(t.trigger("HR changes", { state: { etag: '"1"' } }), { requests: [{ agent: "HR", run: "delta-import" }], state: { etag: '"2"' } });
  t.equal(t.trigger("HR changes", { state: { etag: '"2"' } }).requests, []);
});

test("an API that fails asks for nothing", (t) => {
  t.secret("changes", "a token");
  t.http(() => ({ status: 503 }));
  t.throws(() => t.trigger("HR changes"), "the API said 503");
});
