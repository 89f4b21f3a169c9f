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
  rowsOf: null, // the question that they answer
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
  openNamed();
  refreshNow();
}

export function openTag(name) {
  state.open = { name, said: {} };
  refreshNow();
}

// `/console#tag=order` opens that tag.
export function openNamed() {
  const name = new URLSearchParams(location.hash.slice(1)).get("tag");
  if (name) openTag(name);
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
  refreshNow();
}

// An answer counts only where the same would still be asked.
const asked = () => `${state.token} ${query()}`;

// From this server's memory.
async function readMemory() {
  const question = asked();
  const { open } = state;
  const [server, loaded, one] = await Promise.all([
    call(state.token, "GET", "/admin/v1/server"),
    call(state.token, "GET", `/admin/v1/server/tags?${query()}`),
    open && call(state.token, "GET", `/admin/v1/server/tags/${encodeURIComponent(open.name)}`).catch(notLoaded),
  ]);
  if (question !== asked()) return;
  state.server = server.data;
  state.loaded = new Map(loaded.data.tags.map((tag) => [tag.biz_tag, tag]));
  state.stale = null;
  if (open) open.loaded = one.data;
}

function notLoaded(error) {
  if ([0, 401, 403].includes(error.status)) throw error;
  return { data: null };
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
const rowsNow = every(ROWS_EVERY, readRows, (error) => {
  state.rowsRefused = error;
});

export function refreshNow() {
  memoryNow();
  rowsNow();
  changed();
}

document.addEventListener("visibilitychange", () => !document.hidden && refreshNow());
