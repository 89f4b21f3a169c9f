// What the page shows, and how it is kept fresh.

import { Refused, call, pathOf } from "./api.js";
import { meet, withoutServers } from "./servers.js";
import { go, route } from "./route.js";
import { trace } from "./traces.js";

const KEPT = "id-alloc-token";
export const PAGE = 50;
const SECOND = 1000;
const ROWS_EVERY = 10 * SECOND; // rows come from the database, all else from the memory of servers

export const state = {
  token: sessionStorage.getItem(KEPT) ?? "",
  refused: null, // why the token is not accepted
  server: null,
  serverAt: 0,
  stale: null, // why nothing new comes, with `since`
  fleet: null, // which servers there are, as of `at`
  rows: null,
  rowsOf: null, // the question that they answer
  rowsAt: 0,
  rowsRefused: null,
  next: null,
  prefix: "",
  sort: "supply",
  before: [], // where the pages up to this one begin; the last is this page's
  loaded: new Map(),
  loadedTotal: 0, // tags in memory that begin with the prefix
  quotas: null,
  open: null, // the tag whose dialog is open
  creating: null,
};

let draw = () => {};
export const onChange = (drawing) => (draw = drawing);
export const changed = () => draw();

export const may = (scope) => state.server?.caller.scopes.includes(scope) ?? false;

export function signIn(token, keep) {
  sessionStorage.removeItem(KEPT);
  if (keep) sessionStorage.setItem(KEPT, token);
  state.token = token;
  state.refused = null;
  follow();
}

// Shows what the address says.
export function follow() {
  const { prefix, sort, after, page, tag, create } = route();
  state.prefix = prefix;
  state.sort = sort === "name" ? "name" : "supply";
  if (!after) state.before = [];
  else if (state.before.at(-1) !== after) {
    const known = state.before.indexOf(after);
    // Of a page that was come to by a link it is not known where those before it begin.
    const unknown = Array(Math.max(0, (Number(page) || 2) - 2)).fill(null);
    state.before = known < 0 ? [...unknown, after] : state.before.slice(0, known + 1);
  }
  if (state.open?.name !== (tag || undefined)) state.open = tag ? { name: tag, said: {} } : null;
  if (Boolean(create) !== Boolean(state.creating)) state.creating = create ? { said: null } : null;
  refreshNow();
}

export function signOut(why = null) {
  sessionStorage.removeItem(KEPT);
  const nothing = { server: null, rows: null, open: null, creating: null, stale: null, rowsRefused: null, fleet: null, quotas: null };
  Object.assign(state, nothing, { token: "", refused: why, loaded: new Map(), before: [], prefix: "" });
  withoutServers();
  changed();
}

// The names of the page of tags, as the query of both lists; loaded tags are some of all tags, so the
// same query covers them.
function query() {
  const wanted = new URLSearchParams({ limit: PAGE });
  if (state.prefix) wanted.set("prefix", state.prefix);
  if (state.before.length > 0) wanted.set("after", state.before.at(-1));
  return wanted.toString();
}

// Turns to the page of tags that begins behind the last of these.
export function turnTo(before) {
  const after = before.at(-1);
  state.before = after === null ? [] : before;
  go({ after: after ?? "", page: state.before.length > 0 ? `${state.before.length + 1}` : "" });
}

// An answer counts only where the same would still be asked.
const asked = () => `${state.token} ${state.sort} ${query()}`;

const memory = (path) => call(state.token, "GET", path, undefined, {}, 3 * SECOND);

// From this server's memory.
async function readMemory() {
  const question = asked();
  const { open } = state;
  const order = state.sort === "supply" ? "&order=supply" : "";
  const [server, loaded, one] = await Promise.all([
    memory("/admin/v1/server"),
    memory(`/admin/v1/server/tags?${query()}${order}`),
    open && memory(`/admin/v1/server/tags/${encodeURIComponent(open.name)}`).catch(notLoaded),
  ]);
  if (question !== asked()) return;
  const { tags, total } = loaded.data;
  const serverAt = Date.now();
  Object.assign(state, { server: server.data, serverAt, stale: null, loadedTotal: total });
  state.loaded = new Map(tags.map((tag) => [tag.biz_tag, tag]));
  if (open) open.loaded = one.data;
  trace(open && one.data ? [...tags, one.data] : tags, serverAt);
}

function notLoaded(error) {
  if ([0, 401, 403].includes(error.status)) throw error;
  return { data: null };
}

// From the memory of all servers; this one asks the others.
async function readFleet() {
  const { token } = state;
  const { data } = await call(token, "GET", "/admin/v1/servers", undefined, {}, 8 * SECOND);
  if (token !== state.token) return;
  state.fleet = { ...data, at: Date.now() };
  meet(data.servers);
}

// From the database, which may be slow or dead.
async function readRows() {
  const question = asked();
  const { open } = state;
  const form = open?.form;
  const [page, row] = await Promise.allSettled([
    call(state.token, "GET", `/admin/v1/tags?${query()}`),
    open && call(state.token, "GET", pathOf(open.name)),
  ]);
  if (question !== asked()) return;
  if (row.reason) open.refused = row.reason;
  // Not where a change of our own has ended meanwhile: what was read may be from before it.
  if (row.value && open.form === form) {
    const { data, etag } = row.value;
    Object.assign(open, { row: data, etag, refused: null });
    open.form ??= { row: data, etag };
  }
  if (page.reason) throw page.reason;
  const { tags, next } = page.value.data;
  Object.assign(state, { rows: tags, next, rowsOf: question, rowsAt: Date.now(), rowsRefused: null });
}

export const rowsAreOfNow = () => state.rowsOf === asked();

const notAccepted = new Refused(401, "Token not accepted",
  "This server's admin.tokens_file does not contain it, or no longer does.");

// Reads each `period`, one round after the other, slower while nobody looks; gives what makes it read at
// once, or as soon as what is under way has come.
function every(period, read, failed) {
  let due = false;
  let wake = () => {};
  const round = async () => {
    const { token } = state;
    try {
      await read();
    } catch (error) {
      if (token !== state.token) return;
      const refused = Refused.of(error);
      if (refused.status === 401) signOut(notAccepted);
      else if (refused.status === 403 && !state.server) signOut(refused);
      else failed(refused);
    }
    changed();
  };
  const pause = () => new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, document.hidden ? ROWS_EVERY : period);
  });
  (async () => {
    for (;;) {
      due = false;
      if (state.token) await round();
      if (!due) await pause();
    }
  })();
  return () => {
    due = true;
    wake();
  };
}

const memoryNow = every(SECOND, readMemory, (error) => {
  state.stale = { error, since: state.stale?.since ?? Date.now() };
});
const fleetNow = every(SECOND, readFleet, () => {}); // where this server does not answer, that is said already
const rowsNow = every(ROWS_EVERY, readRows, (error) => {
  state.rowsRefused = error;
});

const quotasNow = every(ROWS_EVERY, async () => {
  state.quotas = (await memory("/admin/v1/server/quotas")).data;
}, () => {});

export function refreshNow() {
  memoryNow();
  quotasNow();
  fleetNow();
  rowsNow();
  changed();
}

document.addEventListener("visibilitychange", () => !document.hidden && refreshNow());
// What is shown grows older while no answer comes.
setInterval(() => state.token && !document.hidden && changed(), SECOND);
