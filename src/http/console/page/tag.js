// The dialog of one tag: what is known of it, and what can be done with it.

import { html, nothing } from "./lit-html.js";
import { Refused, call, json, pathOf, tokenOf } from "./api.js";
import { buffers, segments, words } from "./buffers.js";
import { SHORT, supplyKind } from "./danger.js";
import { count, rate } from "./format.js";
import { asking, whole } from "./forms.js";
import { line } from "./lines.js";
import { problem, said } from "./say.js";
import { changed, may, state } from "./state.js";
import { badges, limit, supply } from "./tags.js";
import { traceOf } from "./traces.js";

const fact = (name, value, field) => html`<div><dt>${name}</dt><dd data-field=${field ?? nothing}>${value}</dd></div>`;

function facts({ row, loaded }) {
  const guard = row.guard;
  return html`<h3>On all servers</h3><dl class="facts">
    ${fact("max_id", row.max_id, "max_id")}
    ${fact("Step", count(row.step), "step")}
    ${row.id_limit ? fact("Limit", count(row.id_limit), "id_limit") : nothing}
    ${loaded?.limit ? fact("Limit used", limit(loaded.limit)) : nothing}
    ${guard && guard.claimed_to !== row.max_id ? fact("Claimed to, by the guard", guard.claimed_to) : nothing}
    ${guard ? fact("Moves by the guard", count(guard.moves)) : nothing}
  </dl>
  <h3>On this server</h3>
  ${loaded ? here(loaded) : html`<p class="hint">This server has not loaded it: nobody has asked here for its ids lately.</p>`}`;
}

function here(loaded) {
  const name = loaded.biz_tag;
  const drawn = (field, label, options) => line(traceOf(name, field), { label: `${label} since this page was opened`, room: 120, ...options });
  return html`<dl class="facts">
    ${fact("Supply", supply(loaded))}
    ${fact("Rate", rate(loaded.rate))}
    ${fact("In memory", html`${count(loaded.left)} left`, "left")}
    ${fact("Next id", loaded.segments[0]?.next ?? "—", "next")}
    ${fact("Claim size", count(loaded.step_in_force), "step_in_force")}
    ${fact("Restarts", count(loaded.restarts))}
  </dl>
  <div class="charts">
    <figure>${drawn("supply", "Supply", { top: 900, cut: true, mark: SHORT, kind: supplyKind(loaded.supply_seconds) })}<figcaption>Supply</figcaption></figure>
    <figure>${drawn("rate", "Rate")}<figcaption>Rate</figcaption></figure>
  </div>
  <p class="drawn">${buffers(loaded)}<small>${words(loaded)}</small></p>${segments(loaded)}
  ${loaded.last_error ? html`<div class="message bad"><strong>The newest claim failed</strong> ${loaded.last_error}</div>` : nothing}`;
}

const send = (method, path, body, etag) =>
  call(state.token, method, path, body, etag ? { "if-match": etag } : {});

// What was answered replaces what was known; the form begins anew from it.
function taken(open, { data, etag }) {
  Object.assign(open, { row: data, etag, form: { row: data, etag } });
}

function change(open) {
  const { form, row } = open;
  const moved = form.etag !== open.etag && !open.said.changeBusy;
  const ask = async (fields) => {
    // A limit that is taken out of its field is taken away; where there is none, nothing is said of it.
    const id_limit = whole(fields, "id_limit") ?? (form.row.id_limit ? 0n : undefined);
    const wanted = { step: whole(fields, "step"), id_limit, description: fields.get("description") };
    taken(open, await send("PATCH", pathOf(open.name), json(wanted), form.etag));
    return "Saved. Servers take a step up at their next claim.";
  };
  // The change rests on what there is now. Fields that were typed into keep their text, the others follow.
  const keepMine = () => {
    open.form = { row, etag: open.etag };
    open.said.change = null;
    changed();
  };
  const takeTheirs = (event) => {
    event.target.closest("form").reset();
    keepMine();
  };
  return html`<form @submit=${asking(open.said, "change", ask, { clears: true })}>
    <h3>Change</h3>
    <label>Step <input name="step" inputmode="numeric" required value=${form.row.step}></label>
    <label>Limit <input name="id_limit" inputmode="numeric" placeholder="none of its own" value=${form.row.id_limit ?? ""}></label>
    <label>Description <textarea name="description" maxlength="1024" rows="2" .defaultValue=${form.row.description}></textarea></label>
    ${moved ? html`<div class="message warn" role="alert"><strong>Changed by someone else in the meantime</strong>
      step ${count(row.step)}, limit ${row.id_limit ? count(row.id_limit) : "none"}, description “${row.description}”.
      <button type="button" @click=${takeTheirs}>Take theirs</button>
      <button type="button" @click=${keepMine}>Keep mine</button></div>` : nothing}
    ${said(open.said.change)}
    <button class="primary">Save</button>
  </form>`;
}

function allocate(open) {
  const ask = async (fields) => {
    const token = fields.get("alloc_token");
    const wanted = whole(fields, "count") ?? 1n;
    const asked = new URLSearchParams({ biz_tag: open.name, count: wanted });
    const path = fields.get("shape") === "range" ? "/range" : "/alloc";
    const { data } = await call(token && tokenOf(token), "GET", `${path}?${asked}`);
    open.ids = data.ids?.join(" ") ?? `${data.first} – ${BigInt(data.first) + BigInt(data.count) - 1n}`;
    return `${count(wanted)} taken; nobody else gets them.`;
  };
  const refused = open.said.ids?.refused;
  open.needsToken ||= refused?.status === 401 || refused?.status === 403;
  return html`<form @submit=${asking(open.said, "ids", ask)}>
    <h3>Take ids</h3>
    <label>How many <input name="count" inputmode="numeric" value="1" required></label>
    <fieldset class="inline"><legend class="hidden">How</legend>
      <label class="check"><input type="radio" name="shape" value="list" checked> one by one</label>
      <label class="check"><input type="radio" name="shape" value="range"> as a range, without gaps</label></fieldset>
    ${open.needsToken ? html`<label>Token of <code>alloc.tokens_file</code>
      <input name="alloc_token" type="password" autocomplete="off" spellcheck="false"></label>` : nothing}
    <button>Take</button>
    ${said(open.said.ids)}
    ${open.ids ? html`<output class="ids" data-field="ids">${open.ids}</output>` : nothing}
  </form>`;
}

function advance(open) {
  const ask = async (fields) => {
    const amount = whole(fields, "amount");
    if (amount === undefined) throw new Refused(0, "Nothing to do", "Say how far.");
    const body = json({ [fields.get("way")]: amount });
    const { data } = await send("POST", `${pathOf(open.name)}/advance`, body);
    return `From ${data.from} to ${data.max_id}: the first id of the next claim is ${data.first_id}; ${data.note}.`;
  };
  return html`<form @submit=${asking(open.said, "advance", ask, { clears: true })}>
    <h3>Advance max_id</h3>
    <p class="hint">Later claims take higher ids; the ids in between are never handed out.</p>
    <fieldset class="inline"><legend class="hidden">How</legend>
      <label class="check"><input type="radio" name="way" value="by" checked> by this many</label>
      <label class="check"><input type="radio" name="way" value="to"> to an id</label></fieldset>
    <label>How far <input name="amount" inputmode="numeric" required></label>
    <label class="check"><input type="checkbox" name="sure" required> This cannot be undone: I am sure</label>
    ${said(open.said.advance)}
    <button class="danger">Advance</button>
  </form>`;
}

function remove(open) {
  const ask = async (fields) => {
    const confirm = fields.get("confirm");
    if (confirm !== open.name) throw new Refused(0, "Not deleted", `Type ${open.name} to delete it.`);
    const path = `${pathOf(open.name)}?${new URLSearchParams({ confirm })}`;
    taken(open, await send("DELETE", path, undefined, open.form.etag));
    document.querySelector("dialog button").focus(); // the form's own goes
    return `${open.name} is deleted: nobody can claim it any more. Its row stays, so that no id comes twice.`;
  };
  return html`<form @submit=${asking(open.said, "remove", ask)}>
    <h3>Delete</h3>
    <p class="hint">Callers get <code>unknown_tag</code>: from this server at once, from others within <code>allocation.refresh</code>.</p>
    <label>Type its name to confirm <input name="confirm" autocomplete="off" spellcheck="false" required></label>
    ${said({ refused: open.said.remove?.refused })}
    <button class="danger">Delete</button>
  </form>`;
}

// Those that cannot be undone stand apart.
function forms(open) {
  if (!may("write")) {
    return html`<div class="forms">${allocate(open)}</div>
      <p class="hint">To change it takes a token with the scope <code>write</code>.</p>`;
  }
  return html`<div class="forms">${allocate(open)}${change(open)}</div>
    <details class="dangerous"><summary>Dangerous: advance, delete</summary>
      <p class="hint">Neither can be undone.</p>
      <div class="forms">${advance(open)}${remove(open)}</div></details>`;
}

export function tag() {
  const { open } = state;
  if (!open) return nothing;
  const { row, loaded } = open;
  return html`
    <div class="bar">
      <h2 id="tag-title">${open.name}</h2>
      <span>${badges(row, loaded)}</span>
      <button autofocus @click=${(event) => event.target.closest("dialog").close()}>Close</button>
    </div>
    ${open.refused ? problem(open.refused) : nothing}
    ${row ? facts(open) : open.refused ? nothing : html`<p class="hint">Asking…</p>`}
    ${said({ good: open.said.remove?.good })}
    ${row?.retired ? html`<p class="hint">It is deleted. To use the name again, create it with a first id that is not below anything ever claimed of it.</p>` : nothing}
    ${row && open.form && !row.retired ? forms(open) : nothing}`;
}
