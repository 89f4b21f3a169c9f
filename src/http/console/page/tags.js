// The list of tags: rows of the table, and what this server holds of each.

import { html, nothing } from "./lit-html.js";
import { buffers } from "./buffers.js";
import { SHORT, rankOf, supplyKind, usedKind } from "./danger.js";
import { clock, count, duration, percent, rate } from "./format.js";
import { legend } from "./legend.js";
import { line } from "./lines.js";
import { go, link } from "./route.js";
import { problem } from "./say.js";
import { PAGE, may, rowsAreOfNow, state, turnTo } from "./state.js";
import { traceOf } from "./traces.js";

let typed;
function search(event) {
  const prefix = event.target.value;
  clearTimeout(typed);
  typed = setTimeout(() => go({ prefix, after: "", page: "" }, { replace: true }), 200);
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

export const supply = (loaded) => html`<span class="badge ${supplyKind(loaded.supply_seconds)}" data-field="supply">${loaded.supply_seconds === null ? "not in use" : duration(loaded.supply_seconds)}</span>`;

export function limit({ used, days_left }) {
  return html`<span class="badge ${usedKind(used)}" data-field="used">${percent(used)}</span>
    <small>${days_left === null ? "" : `${duration(days_left * 86_400)} left`}</small>`;
}

function row([name, it, loaded]) {
  const ownLimit = loaded?.limit ?? (it?.id_limit && { used: Number(it.max_id) / Number(it.id_limit), days_left: null });
  const drawn = (field, label, options) => line(traceOf(name, field), { label: `${label} of ${name}`, room: 60, ...options });
  return html`<tr class=${it?.retired ? "retired" : ""} data-tag=${name}>
    <th scope="row"><a href=${link({ tag: name })}>${name}</a>
      ${it?.description ? html`<small class="description">${it.description}</small>` : nothing}</th>
    ${loaded ? html`
      <td data-label="Supply" class="drawn-cell">${supply(loaded)}${drawn("supply", "Supply", { top: 900, cut: true, mark: SHORT, kind: supplyKind(loaded.supply_seconds) })}</td>
      <td data-label="Rate" class="drawn-cell">${rate(loaded.rate)}${drawn("rate", "Rate")}</td>
      <td data-label="In memory">${buffers(loaded)}<small data-field="left">${count(loaded.left)} left</small></td>` : html`
      <td data-label="Supply" class="wide"><small class="quiet">not loaded here</small></td><td></td><td></td>`}
    <td data-label="Step" class="number" data-field="step">${it ? count(it.step) : "—"}</td>
    <td data-label="max_id" class="number" data-field="max_id">${it ? it.max_id : "—"}</td>
    <td data-label="Limit used" class="number">${ownLimit ? limit(ownLimit) : nothing}</td>
    <td data-label="State">${badges(it, loaded)}</td>
  </tr>`;
}

// Name, row, and what is in memory; where they are ordered by supply, those in memory stand first.
function listed() {
  const rows = new Map((state.rows ?? []).map((it) => [it.biz_tag, it]));
  if (state.sort === "name") return [...rows].map(([name, it]) => [name, it, state.loaded.get(name)]);
  const first = [...state.loaded].map(([name, loaded]) => [name, rows.get(name), loaded]);
  first.sort((a, b) => rankOf(a[2]) - rankOf(b[2])); // among equals, those that run out first
  if (state.loadedTotal > first.length) return first;
  const others = [...rows].filter(([name]) => !state.loaded.has(name));
  return [...first, ...others.map(([name, it]) => [name, it, undefined])].slice(0, PAGE);
}

function table(all) {
  if (all.length === 0 && !state.rows) return state.rowsRefused ? nothing : html`<p class="hint">Asking the database…</p>`;
  if (all.length === 0) {
    return html`<p class="hint">${state.prefix ? html`No tag begins with <strong>${state.prefix}</strong>.` : "There is no tag yet: create one."}</p>`;
  }
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Tags"><table class="list tags">
    <caption class="hidden">Tags: what this server holds of each is redrawn every second</caption>
    <thead><tr><th scope="col">Tag</th><th scope="col">Supply</th><th scope="col">Rate</th><th scope="col">In memory: in use, next</th>
      <th scope="col" class="number">Step</th><th scope="col" class="number">max_id</th><th scope="col" class="number">Limit used</th><th scope="col">State</th></tr></thead>
    <tbody>${all.map(row)}</tbody>
  </table></div>`;
}

function pages() {
  const { before, rows, sort } = state;
  const next = rowsAreOfNow() ? state.next : null;
  if (sort !== "name" || !rows || (before.length === 0 && !state.next)) return nothing;
  const back = () => before.length > 0 && turnTo(before.slice(0, -1));
  const on = () => next && turnTo([...before, next]);
  return html`<nav aria-label="Pages of tags" class="pages">
    <button aria-disabled=${before.length === 0} @click=${back}>Previous</button>
    <span role="status">Page ${before.length + 1}</span>
    <button aria-disabled=${!next} @click=${on}>Next</button>
  </nav>`;
}

// Above the rows, unless the head of the page says it already.
function refusal() {
  const { rowsRefused, rows, server, stale } = state;
  if (!rowsRefused || (stale && rowsRefused.code === stale.error.code)) return nothing;
  const isSaid = server && server.database.status !== "up";
  const age = rows ? `are of ${clock(state.rowsAt)}` : "cannot be read now";
  return html`${isSaid ? nothing : problem(rowsRefused)}<p class="hint">Step, max_id and descriptions ${age}.</p>`;
}

// How many there are, and which of them are shown.
function counted(all) {
  const { prefix, loadedTotal, server, sort, next } = state;
  const tags = server?.database.tags;
  const there = prefix ? `that begin with “${prefix}”` : tags === null || tags === undefined ? "" : `of ${count(tags)} in the table`;
  const which = sort === "supply" && (loadedTotal > all.length || next)
    ? "; those that run out first are shown: search for others, or order them by name" : "";
  return html`<p class="hint" data-field="counted">${count(all.length)} tags shown ${there}; ${count(loadedTotal)} in this server's memory${which}.</p>`;
}

const ORDERS = [["supply", "Danger first"], ["name", "By name"]];

export function tags() {
  const all = listed();
  return html`<div class="bar">
      <h2>Tags</h2>
      <fieldset class="inline order"><legend class="hidden">Order</legend>${ORDERS.map(([sort, label]) => html`<label class="check"><input type="radio" name="order" value=${sort} .checked=${state.sort === sort}
        @change=${() => go({ sort: sort === "name" ? sort : "", after: "", page: "" })}> ${label}</label>`)}</fieldset>
      <label class="search"><span class="hidden">Name begins with</span>
        <input type="search" placeholder="Name begins with…" spellcheck="false" maxlength="128" .value=${state.prefix} @input=${search}></label>
      ${may("write") ? html`<button class="primary" @click=${() => go({ create: "1", tag: "" })}>Create a tag</button>` : nothing}
    </div>
    ${refusal()}
    ${counted(all)}
    ${table(all)}
    ${pages()}
    ${legend()}`;
}
