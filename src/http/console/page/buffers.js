// A tag's segments, drawn: what is used of each and what is left.

import { html, svg, nothing } from "./lit-html.js";
import { count } from "./format.js";

const WIDTH = 200;
const HEIGHT = 16;
const GAP = 4;

const sum = (segments, field) => segments.reduce((all, it) => all + BigInt(it[field]), 0n);

// The two halves of the double buffer: the segment in use, and all that is claimed behind it.
function halves(tag) {
  const [first, ...behind] = tag.segments;
  const next = behind.length > 0 && { left: sum(behind, "left"), size: sum(behind, "size"), claims: behind };
  return [first && { left: first.left, size: first.size, claims: [first] }, next];
}

export function words(tag) {
  if (!tag.responding) return "its actor does not answer";
  const [first, next] = halves(tag);
  const said = [first ? `in use: ${count(first.left)} of ${count(first.size)} left` : "no ids in memory"];
  if (next) {
    const claims = next.claims.length > 1 ? ` in ${next.claims.length} claims` : "";
    said.push(`next: ${count(next.left)}${claims}`);
  }
  if (tag.loading) said.push("claiming");
  return said.join("; ");
}

// Within a half, what is used stands before what is left; fine lines part claims.
function half(it, x, width, loading) {
  if (!it) {
    const kind = loading ? "empty loading" : "empty";
    return svg`<rect class=${kind} x=${x + 0.5} y="0.5" width=${width - 1} height=${HEIGHT - 1} rx="3"></rect>`;
  }
  const size = Math.max(1, Number(it.size));
  const left = (width * Number(it.left)) / size;
  let at = x;
  const ends = it.claims.slice(0, -1).map((claim) => (at += (width * Number(claim.size)) / size));
  return svg`
    <rect class="used" x=${x} y="0" width=${width} height=${HEIGHT} rx="3"></rect>
    <rect class="left" x=${x + width - left} y="0" width=${left} height=${HEIGHT} rx="3"></rect>
    ${ends.map((end) => svg`<line class="part" x1=${end} x2=${end} y1="0" y2=${HEIGHT}></line>`)}`;
}

export function buffers(tag) {
  const width = (WIDTH - GAP) / 2;
  const [first, next] = halves(tag);
  return html`<svg class="buffers" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"
    aria-label=${words(tag)}>${half(first, 0, width, tag.loading && !first)}${half(next, width + GAP, width, tag.loading)}</svg>`;
}

export function segments(tag) {
  if (!tag.responding || tag.segments.length === 0) return nothing;
  return html`<details><summary>Segments, one by one</summary><table class="segments">
    <thead><tr><th scope="col">Segment</th><th scope="col">Ids</th><th scope="col">Next id</th><th scope="col">Left</th></tr></thead>
    <tbody>${tag.segments.map((it, at) => html`<tr>
      <th scope="row">${at === 0 ? "in use" : "next"}</th>
      <td>${it.first} – ${BigInt(it.end) - 1n}</td><td>${it.next}</td>
      <td>${count(it.left)} of ${count(it.size)}</td></tr>`)}</tbody>
  </table></details>`;
}
