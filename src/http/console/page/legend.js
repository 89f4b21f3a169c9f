// What the words, colours and drawings mean: each number has one name in the whole page.

import { html, svg } from "./lit-html.js";
import { BUDGET, SHORT } from "./danger.js";
import { duration } from "./format.js";

const swatch = (kind) => html`<svg class="buffers swatch" viewBox="0 0 20 16" aria-hidden="true">${svg`<rect class=${kind} x="0.5" y="0.5" width="19" height="15" rx="3"></rect>`}</svg>`;
const badge = (kind, word) => html`<span class="badge ${kind}">${word}</span>`;

export const legend = () => html`<details class="legend"><summary>What it means</summary><dl>
  <div><dt>Supply</dt><dd>how long the ids in this server's memory last at the present rate, if no claim succeeds:
    ${badge("bad", `less than ${duration(SHORT)}`)} ${badge("warn", `less than ${duration(BUDGET)}`)} ${badge("good", "longer")}.
    The line in its drawing is ${duration(SHORT)}; it ends at 15 min.</dd></div>
  <div><dt>Rate</dt><dd>ids handed out per second by this server; drawn since this page was opened.</dd></div>
  <div><dt>In memory</dt><dd>${swatch("left")} ids left ${swatch("used")} ids used ${swatch("empty")} nothing claimed. Left half: the segment in use; right half: those claimed behind it.</dd></div>
  <div><dt>Step</dt><dd>the least that a server claims at once, for all servers. Busy tags claim more: <em>claim size</em>.</dd></div>
  <div><dt>max_id</dt><dd>the end of what all servers have claimed together: the next claim begins there.</dd></div>
  <div><dt>Limit used</dt><dd>of a tag with a limit of its own, the share of its ids that is claimed: ${badge("warn", "from 80 %")} ${badge("bad", "from 95 %")}; and how long the rest lasts.</dd></div>
  <div><dt>Errors</dt><dd>requests for ids that were answered with a fault of server or database (5xx). <em>Refused</em> are those with a fault of the caller: unknown tag, token, quota.</dd></div>
  <div><dt>p99</dt><dd>99 of 100 HTTP requests for ids took no longer. Rates, errors and latency are of the last ten seconds.</dd></div>
  <div><dt>Connections</dt><dd>those to the database that are at work, of those that are open.</dd></div>
  <div><dt>As of</dt><dd>how old the figures of that server are. Those of other servers are asked for by this one.</dd></div>
</dl></details>`;
