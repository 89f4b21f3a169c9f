// A tag's segments, drawn: what is used of each and what is left.

import { html, svg, nothing } from "./lit-html.js";
import { count } from "./format.js";

const WIDTH = 200;
const HEIGHT = 16;
const GAP = 4;

export function words(tag) {
  if (!tag.responding) return "its actor does not answer";
  const names = ["in use", "next"];
  const said = tag.segments.map((it, at) => `${names[at] ?? "then"}: ${count(it.left)} of ${count(it.size)} left`);
  if (said.length === 0) said.push("no ids in memory");
  if (tag.loading) said.push("claiming");
  return said.join("; ");
}

// Two halves, one for each segment of the double buffer; within a half, used before left.
export function buffers(tag) {
  const half = (WIDTH - GAP) / 2;
  const halves = [0, 1].map((at) => {
    const x = at * (half + GAP);
    const segment = tag.segments[at];
    if (!segment) {
      const kind = tag.loading ? "empty loading" : "empty";
      return svg`<rect class=${kind} x=${x + 0.5} y="0.5" width=${half - 1} height=${HEIGHT - 1} rx="3"></rect>`;
    }
    const left = (half * Number(segment.left)) / Math.max(1, Number(segment.size));
    return svg`
      <rect class="used" x=${x} y="0" width=${half} height=${HEIGHT} rx="3"></rect>
      <rect class="left" x=${x + half - left} y="0" width=${left} height=${HEIGHT} rx="3"></rect>`;
  });
  return html`<svg class="buffers" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"
    aria-label=${words(tag)}>${halves}</svg>`;
}

export function segments(tag) {
  if (!tag.responding || tag.segments.length === 0) return nothing;
  return html`<table class="segments">
    <thead><tr><th scope="col">Segment</th><th scope="col">Ids</th><th scope="col">Next id</th><th scope="col">Left</th></tr></thead>
    <tbody>${tag.segments.map((it, at) => html`<tr>
      <th scope="row">${at === 0 ? "in use" : "next"}</th>
      <td>${it.first} – ${BigInt(it.end) - 1n}</td><td data-field="next">${it.next}</td>
      <td>${count(it.left)} of ${count(it.size)}</td></tr>`)}</tbody>
  </table>`;
}
