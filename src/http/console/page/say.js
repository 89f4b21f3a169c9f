// What came of something that was asked for.

import { html, nothing } from "./lit-html.js";

export const problem = (refused) => html`<div class="message bad" role="alert">
  <strong>${refused.title}</strong> ${refused.detail}${refused.code ? html` <code>${refused.code}</code>` : nothing}</div>`;

export const good = (text) => html`<div class="message good" role="status">${text}</div>`;

// `{ good: text }`, `{ refused: Refused }` or nothing.
export function said(it) {
  if (it?.refused) return problem(it.refused);
  return it?.good ? good(it.good) : nothing;
}
