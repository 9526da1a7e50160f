// A management agent for the badge system, over its REST API: `type: badge-api`.

agentType("badge-api", {
  doc: "The badge system, over its REST API.",
  settings: {
    url: { type: "string", required: true, doc: "Where the API is, such as https://badges.corp.example." },
    token: { type: "secret", required: true, doc: "The bearer token." },
  },
  capabilities: {
    deltaImport: true,                 // there is a feed of changes
    noReferencesInFirstExport: true,   // a sponsor must have a badge before it can be one
    noEmptyText: true,                 // an empty field is left out
  },
  schema: {
    badge: {
      anchor: ["id"],                  // the system gives it; the name of a badge, its dn, is the login
      attributes: {
        id: { importOnly: true },
        name: "string",
        employee: "string",
        active: "boolean",
        validUntil: "datetime",
        doors: "string[]",
        sponsor: "reference",          // the login of another badge
      },
    },
  },

  import(ctx) {
    return ctx.full ? everything(ctx) : changed(ctx);
  },

  read(ctx, { anchor, dn }) {
    const badge = anchor ? byId(ctx, anchor) : byLogin(ctx, dn!);
    return badge ? imported(badge) : null;
  },

  export(ctx, changes) {
    return changes.map(change => {
      try {
        return carryOut(ctx, change);
      } catch (error) {
        if (error instanceof AgentError) return error;  // of this badge, unless its name is that of a step
        throw error;                                    // no answer: stop, and send all of it again
      }
    });
  },
});

interface Badge {
  id: string; login: string; name: string; employee?: string; active: boolean;
  validUntil?: string; doors?: string[]; sponsor?: string;
}

/** A badge as the engine has it. */
function imported({ login, ...attributes }: Badge): ImportedObject {
  return { dn: login, attributes };
}

/** A page of all badges. What changes while they are read comes with the next delta import. */
function everything(ctx: AgentContext): ImportPage {
  const cursor = ctx.cursor ?? {};
  const page = ask(ctx, "GET", "/badges", { query: { limit: ctx.pageSize, after: cursor.after ?? "" } });
  const version = cursor.version ?? page.version;
  return {
    objects: page.items.map(imported),
    next: page.next && { after: page.next, version },
    watermark: { version },
  };
}

/** A page of what changed since the watermark. */
function changed(ctx: AgentContext): ImportPage {
  const since = ctx.cursor ?? ctx.watermark.version;
  const page = ask(ctx, "GET", "/changes", { query: { since, limit: ctx.pageSize } });
  return {
    objects: page.items.map((item: any) =>
      item.deleted ? { anchor: item.id, dn: item.login, delete: true } : imported(item.badge)),
    next: page.more ? page.version : undefined,
    watermark: { version: page.version },
  };
}

function carryOut(ctx: AgentContext, change: AgentChange): ExportResult {
  if (change.op === "add") return create(ctx, change);
  const id = change.anchor ?? byLogin(ctx, change.dn)?.id;
  if (change.op === "delete") {
    if (!id || !ask(ctx, "DELETE", "/badges/" + id, { missing: true })) return change.repeated || gone(change);
    return true;
  }
  const body = { ...change.attributes, ...(change.newDN && { login: change.newDN }) };
  return id && ask(ctx, "PATCH", "/badges/" + id, { body, missing: true }) ? true : gone(change);
}

function create(ctx: AgentContext, change: AgentChange): ExportResult {
  const body = { ...change.attributes, login: change.dn };
  const known = change.repeated && byLogin(ctx, change.dn);   // we may have created it already
  const badge = known ? ask(ctx, "PATCH", "/badges/" + known.id, { body }) : ask(ctx, "POST", "/badges", { body });
  return { anchor: badge.id };
}

function gone(change: AgentChange): ExportResult {
  return { error: { name: "cd-missing-object", text: `there is no badge of ${change.dn}` } };
}

function byId(ctx: AgentContext, id: string): Badge | undefined {
  return ask(ctx, "GET", "/badges/" + encodeURIComponent(id), { missing: true });
}

function byLogin(ctx: AgentContext, login: string): Badge | undefined {
  return ask(ctx, "GET", "/badges", { query: { login } }).items[0];
}

/** What the system says against a badge, under the name that run records have for it. */
function refusal(method: string, status: number, message: string, field?: string): AgentError {
  if (status === 409) return new AgentError(message, { name: method === "POST" ? "cd-existing-object" : "rename-to-existing-dn" });
  if (field === "sponsor") return new AgentError(message, { name: "dn-attributes-failure", attribute: field });
  return new AgentError(message, { name: status === 422 ? "invalid-attribute-value" : "cd-error", attribute: field });
}

/**
 * Sends a request and returns what the answer says, undefined where nothing need be there. No answer at all
 * is thrown by http; it stops the step as stopped-connectivity.
 */
function ask(ctx: AgentContext, method: string, path: string, { missing = false, ...request }: HTTPRequest & { missing?: boolean } = {}): any {
  const { url, token } = ctx.settings;
  const answer = http.request(method, url + path, { ...request, auth: { bearer: token }, limit: 10_000_000 });
  if (answer.status === 204) return {};
  if (answer.ok) return answer.json();
  if (answer.status === 404 && missing) return undefined;
  if (answer.status === 401) throw new AgentError("the token is not accepted", { name: "stopped-bad-server-credentials" });
  if (answer.status === 410) throw new AgentError("the feed has forgotten the watermark", { name: "no-start-full-import-required" });
  if (answer.status >= 500) throw new AgentError(`${method} ${path}: status ${answer.status}`, { name: "stopped-server-down" });
  const { message, field } = answer.json();
  throw refusal(method, answer.status, message, field);
}
