// What the page shows, and how it is kept fresh.

import { Refused, call, pathOf } from "./api.js";

const KEPT = "id-alloc-token";
const PAGE = 50;
const SECOND = 1000;
const ROWS_EVERY = 10 * SECOND; // rows come from the database, all else from the server's memory

export const state = {
  token: sessionStorage.getItem(KEPT) ?? "",
  refused: null, // why the token is not accepted
  server: null,
  stale: null, // why nothing new comes, with `since`
  rows: null,
  rowsAt: 0,
  rowsRefused: null,
  next: null,
  prefix: "",
  before: [], // where the pages up to this one begin; the last is this page's
  loaded: new Map(),
  open: null, // the tag whose dialog is open
  creating: null,
};

let draw = () => {};
export const onChange = (drawing) => (draw = drawing);
export const changed = () => draw();

export function signIn(token, keep) {
  sessionStorage.removeItem(KEPT);
  if (keep) sessionStorage.setItem(KEPT, token);
  state.token = token;
  state.refused = null;
  refreshNow();
}

export function signOut(why = null) {
  sessionStorage.removeItem(KEPT);
  const nothing = { server: null, rows: null, open: null, creating: null, stale: null, rowsRefused: null };
  Object.assign(state, nothing, { token: "", refused: why, loaded: new Map(), before: [], prefix: "" });
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

export function turnTo(change) {
  Object.assign(state, change);
  state.loaded = new Map();
  refreshNow();
}

async function readRows() {
  const asked = query();
  try {
    const { data } = await call(state.token, "GET", `/admin/v1/tags?${asked}`);
    if (asked !== query()) return;
    Object.assign(state, { rows: data.tags, next: data.next, rowsAt: Date.now(), rowsRefused: null });
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    if (asked === query()) state.rowsRefused = error;
  }
}

async function readMemory() {
  const asked = query();
  const [server, loaded] = await Promise.all([
    call(state.token, "GET", "/admin/v1/server"),
    call(state.token, "GET", `/admin/v1/server/tags?${asked}`),
  ]);
  state.server = server.data;
  if (asked === query()) state.loaded = new Map(loaded.data.tags.map((tag) => [tag.biz_tag, tag]));
}

// What an open dialog shows of its tag.
async function readOpen(rowToo) {
  const { open } = state;
  if (!open) return;
  const refusals = (expected) => (error) => {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    open.refused = error.code === expected ? null : error;
    return { data: null };
  };
  const path = `/admin/v1/server/tags/${encodeURIComponent(open.name)}`;
  const loaded = call(state.token, "GET", path).catch(refusals("tag_not_loaded"));
  if (rowToo) {
    const row = await call(state.token, "GET", pathOf(open.name)).catch(refusals());
    if (row.data) Object.assign(open, { row: row.data, etag: row.etag, refused: null });
    open.form ??= row.data && { row: row.data, etag: row.etag };
  }
  open.loaded = (await loaded).data;
}

const notAccepted = new Refused(401, "Token not accepted",
  "This server's admin.tokens_file does not hold it, or not any more.");

let rowsDue = 0;
let wake = () => {};

// All again, rows too, at once or as soon as what is under way has come.
export function refreshNow() {
  rowsDue = 0;
  wake();
  changed();
}

async function refresh() {
  const rows = Date.now() >= rowsDue;
  if (rows) rowsDue = Date.now() + ROWS_EVERY;
  const token = state.token;
  try {
    await Promise.all([readMemory(), readOpen(rows), rows && readRows()]);
    state.stale = null;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (token !== state.token) return;
    if (error.status === 401) return signOut(notAccepted);
    if (error.status === 403 && !state.server) return signOut(error);
    state.stale = { error, since: state.stale?.since ?? Date.now() };
  }
}

// Reads on for as long as the page is open, one round after the other, slower while nobody looks.
export async function live() {
  document.addEventListener("visibilitychange", () => !document.hidden && wake());
  for (;;) {
    if (state.token) {
      await refresh();
      changed();
    }
    if (state.token && rowsDue === 0) continue;
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, document.hidden ? ROWS_EVERY : SECOND);
    });
  }
}
