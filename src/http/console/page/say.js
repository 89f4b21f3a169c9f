// What came of something that was asked for.

import { html, nothing } from "./lit-html.js";

const bad = (it) => html`<strong>${it.title}</strong> ${it.detail}${it.code ? html` <code>${it.code}</code>` : nothing}`;

export const problem = (refused) => html`<div class="message bad" role="alert">${bad(refused)}</div>`;

// `{ good: text }`, `{ refused: Refused }` or nothing. The region is always there: readers of screens
// announce what comes into one they know.
export function said(it) {
  const message = it?.refused ? html`<div class="message bad">${bad(it.refused)}</div>`
    : it?.good ? html`<div class="message good">${it.good}</div>` : nothing;
  return html`<div aria-live="polite">${message}</div>`;
}
