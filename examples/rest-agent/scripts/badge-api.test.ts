const settings = { url: "https://badges.test", token: "t" };
const ada = { id: "B00001", login: "alovelace", name: "Ada Lovelace", active: true, doors: ["lab", "main"], sponsor: null };

test("everything is read page by page, with the version of the first", t => {
  const asked: string[] = [];
  const got = t.import("badge-api", {
    settings, pageSize: 1,
    http: ({ url, headers }) => {
      t.equal(headers.authorization, "[secret]");
      asked.push(url);
      return asked.length === 1
        ? { body: { items: [ada], next: "B00001", version: 7 } }
        : { body: { items: [{ ...ada, id: "B00002", login: "ghopper" }], version: 9 } };
    },
  });
  t.equal(asked, ["https://badges.test/badges?after=&limit=1", "https://badges.test/badges?after=B00001&limit=1"]);
  t.equal(got.watermark, { version: 7 });
  t.equal(got.objects.map(o => o.dn), ["alovelace", "ghopper"]);
  t.equal(got.objects[0], {
    object: "badge", anchor: "B00001", dn: "alovelace",
    attributes: { id: "B00001", name: "Ada Lovelace", active: true, doors: ["lab", "main"] },
  });
});

test("a delta import reads the feed", t => {
  const got = t.import("badge-api", {
    settings, watermark: { version: 7 },
    http: ({ url }) => url.endsWith("since=7")
      ? { body: { items: [{ id: "B00009", login: "gone", deleted: true }], version: 8, more: true } }
      : { body: { items: [{ id: "B00001", login: "alovelace", deleted: false, badge: ada }], version: 12, more: false } },
  });
  t.equal(got.watermark, { version: 12 });
  t.equal(got.objects.map(o => [o.anchor, o.delete]), [["B00009", true], ["B00001", undefined]]);
});

test("a feed that has forgotten asks for a full import", t => {
  t.throws(() => t.import("badge-api", { settings, watermark: { version: 1 }, http: () => ({ status: 410 }) }), "no-start-full-import-required");
});

test("a system that is down stops the import", t => {
  t.throws(() => t.import("badge-api", { settings, http: () => ({ status: 503 }) }), "stopped-server-down");
  t.throws(() => t.import("badge-api", { settings, http: () => { throw new Error("no route"); } }), "stopped-connectivity");
});

test("each badge has a result of its own", t => {
  const results = t.export("badge-api", [
    { op: "add", object: "badge", dn: "alovelace", attributes: { name: "Ada Lovelace", active: true } },
    { op: "add", object: "badge", dn: "taken", attributes: { name: "T" } },
    { op: "update", object: "badge", dn: "alovelace", anchor: "B00001", newDN: "aking", attributes: { name: "Ada King", doors: null } },
    { op: "update", object: "badge", dn: "long", anchor: "B00002", attributes: { name: "too long" } },
    { op: "delete", object: "badge", dn: "x", anchor: "B00003", attributes: {} },
    { op: "delete", object: "badge", dn: "x", anchor: "B00003", attributes: {}, repeated: true },
  ], {
    settings,
    http: ({ method, url, json }) => {
      if (method === "POST" && json.login === "taken") return { status: 409, body: { message: "taken", field: "login" } };
      if (method === "POST") return { status: 201, body: { ...json, id: "B00001" } };
      if (method === "DELETE") return { status: 404, body: { message: "no such badge" } };
      if (url.endsWith("B00002")) return { status: 422, body: { message: "cannot be printed", field: "name" } };
      t.equal(json, { name: "Ada King", doors: null, login: "aking" });
      return { body: json };
    },
  });
  t.equal(results, [
    { anchor: "B00001" },
    { error: { name: "cd-existing-object", text: "taken" } },
    {},
    { error: { name: "invalid-attribute-value", text: "cannot be printed", attribute: "name" } },
    { error: { name: "cd-missing-object", text: "there is no badge of x" } },
    {},
  ]);
});

test("one badge is read by its id or its login", t => {
  const http = ({ url }: TestRequest) => url.includes("login=") ? { body: { items: [ada] } } : { status: 404, body: {} };
  t.equal(t.read("badge-api", { anchor: "B00007" }, { settings, http }), null);
  t.equal(t.read("badge-api", { dn: "alovelace" }, { settings, http })!.anchor, "B00001");
});
