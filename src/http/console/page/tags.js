// The list of tags: rows of the table, and what this server holds of each.

import { html, nothing } from "./lit-html.js";
import { buffers } from "./buffers.js";
import { clock, count, duration, rate } from "./format.js";
import { problem } from "./say.js";
import { changed, openTag, rowsAreOfNow, state, turnTo } from "./state.js";

let typed;
function search(event) {
  const prefix = event.target.value;
  clearTimeout(typed);
  typed = setTimeout(() => turnTo({ prefix, before: [] }), 200);
}

function startCreating() {
  state.creating = { said: null };
  changed();
}

export function badges(row, loaded) {
  const said = [];
  if (row?.retired) said.push(["quiet", "deleted", ""]);
  if (loaded?.last_error) said.push(["bad", "claim failed", loaded.last_error]);
  if (loaded && !loaded.responding) said.push(["bad", "does not answer", ""]);
  if (loaded?.loading) said.push(["info", "claiming", ""]);
  if (loaded && Number(loaded.restarts) > 0) said.push(["warn", `restarted ${count(loaded.restarts)}×`, ""]);
  return said.map(([kind, word, title]) => html`<span class="badge ${kind}" title=${title || nothing}>${word}</span> `);
}

function row(it) {
  const loaded = state.loaded.get(it.biz_tag);
  const step = loaded && Number(loaded.step_in_force) !== Number(it.step)
    ? html`${count(loaded.step_in_force)} <small>row: ${count(it.step)}</small>`
    : count(it.step);
  return html`<tr class=${it.retired ? "retired" : ""} data-tag=${it.biz_tag}>
    <th scope="row"><button class="link" @click=${() => openTag(it.biz_tag)}>${it.biz_tag}</button>
      ${it.description ? html`<small class="description">${it.description}</small>` : nothing}</th>
    <td data-label="Buffers">${loaded ? html`${buffers(loaded)}<small data-field="left">${count(loaded.left)} left</small>` : html`<small class="quiet">not loaded here</small>`}</td>
    <td data-label="Rate" class="number">${loaded ? rate(loaded.rate) : "—"}</td>
    <td data-label="Supply" class="number">${loaded ? duration(loaded.supply_seconds) : "—"}</td>
    <td data-label="Step" class="number" data-field="step">${step}</td>
    <td data-label="max_id" class="number" data-field="max_id">${it.max_id}</td>
    <td data-label="State">${badges(it, loaded)}</td>
  </tr>`;
}

function table() {
  if (!state.rows) return state.rowsRefused ? nothing : html`<p class="hint">Asking the database…</p>`;
  if (state.rows.length === 0) {
    return html`<p class="hint">${state.prefix ? html`No tag begins with <strong>${state.prefix}</strong>.` : "There is no tag yet: create one."}</p>`;
  }
  return html`<div class="scroll"><table class="tags">
    <caption class="hidden">Tags: what this server holds of each is redrawn every second</caption>
    <thead><tr><th scope="col">Tag</th><th scope="col">Buffers: in use, next</th><th scope="col" class="number">Rate</th>
      <th scope="col" class="number">Supply</th><th scope="col" class="number">Step</th><th scope="col" class="number">max_id</th><th scope="col">State</th></tr></thead>
    <tbody>${state.rows.map(row)}</tbody>
  </table></div>`;
}

function pages() {
  const { before, rows } = state;
  const next = rowsAreOfNow() ? state.next : null;
  if (!rows || (before.length === 0 && !state.next)) return nothing;
  const back = () => before.length > 0 && turnTo({ before: before.slice(0, -1) });
  const on = () => next && turnTo({ before: [...before, next] });
  return html`<nav aria-label="Pages of tags" class="pages">
    <button aria-disabled=${before.length === 0} @click=${back}>Previous</button>
    <span role="status">Page ${before.length + 1}</span>
    <button aria-disabled=${!next} @click=${on}>Next</button>
  </nav>`;
}

// Above the rows, unless the head of the page says it already.
function refusal() {
  const { rowsRefused, rows, stale } = state;
  if (!rowsRefused || (stale && rowsRefused.code === stale.error.code)) return nothing;
  return html`${problem(rowsRefused)}${rows ? html`<p class="hint">Rows as of ${clock(state.rowsAt)}.</p>` : nothing}`;
}

export function tags() {
  return html`<div class="bar">
      <h2>Tags</h2>
      <label class="search"><span class="hidden">Name begins with</span>
        <input type="search" placeholder="Name begins with…" spellcheck="false" maxlength="128" .value=${state.prefix} @input=${search}></label>
      <button class="primary" @click=${startCreating}>Create a tag</button>
    </div>
    ${refusal()}
    <p class="hidden" role="status">${state.rows ? `${state.rows.length} tags are shown` : ""}</p>
    ${table()}
    ${pages()}`;
}
