// Tokens with a quota, and what was taken of it today on this server.

import { html, nothing } from "./lit-html.js";
import { usedKind } from "./danger.js";
import { count, percent } from "./format.js";
import { state } from "./state.js";

const atMost = (number) => (number === null ? "—" : count(number));

function taken({ biz_tag, ids }, day) {
  const share = day === null ? nothing : html`<span class="badge ${usedKind(ids / day)}">${percent(ids / day)}</span>`;
  return html`<li>${biz_tag}: ${count(ids)} ${share}</li>`;
}

function row(it) {
  const more = it.tags_today - it.today.length;
  return html`<tr data-token=${it.token}>
    <th scope="row"><strong>${it.token}</strong> <small class="description">for ${it.tags.join(", ")}</small></th>
    <td data-label="Ids a second" class="number">${atMost(it.ids_per_second)}</td>
    <td data-label="Ids a day" class="number">${atMost(it.ids_per_day)}</td>
    <td data-label="Taken today">${it.today.length === 0 ? "none" : html`<ul class="plain">${it.today.map((tag) => taken(tag, it.ids_per_day))}</ul>`}
      ${more > 0 ? html`<small>and ${count(more)} more tags</small>` : nothing}</td></tr>`;
}

export function quotas() {
  const { quotas: found } = state;
  if (!found || found.total === 0) return nothing;
  return html`<h2 class="next">Quotas</h2>
    <p class="hint">${count(found.quotas.length)} of ${count(found.total)} tokens with a quota. It holds for each tag and on each server; days are of UTC.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Quotas"><table class="list">
      <caption class="hidden">Tokens with a quota, and what was taken today on this server</caption>
      <thead><tr><th scope="col">Token</th><th scope="col" class="number">Ids a second</th><th scope="col" class="number">Ids a day</th><th scope="col">Taken today</th></tr></thead>
      <tbody>${found.quotas.map(row)}</tbody></table></div>`;
}
