// The head of the page: what is wrong, in words; all servers together; and each by itself.

import { html, nothing } from "./lit-html.js";
import { errorKind, SHORT, supplyKind } from "./danger.js";
import { age, clock, count, duration, latency, perSecond, percent } from "./format.js";
import { line } from "./lines.js";
import { link } from "./route.js";
import { isFresh, nameOf, servers, totals } from "./servers.js";
import { signOut, state } from "./state.js";

const STATUS = {
  up: ["good", "up"],
  starting: ["warn", "starting"],
  down: ["bad", "down"],
  unusable: ["bad", "unusable"],
};

const seconds = (since) => duration(Math.max(0, (Date.now() - since) / 1000));

// What no figure says of a server by itself.
function noticesOf(it) {
  const name = it.this ? "This server" : nameOf(it);
  if (it.error) {
    const last = it.server ? `. What you see of it is of ${clock(it.at)}.` : "";
    const since = it.since ? ` for ${seconds(it.since)}` : "";
    return [["bad", `${name} does not answer${since}`, `${it.error}${last}`]];
  }
  const { draining, database } = it.server;
  const said = [];
  if (draining) said.push(["warn", `${name} is draining`, "It is going away; callers are sent to others."]);
  if (!it.this) return said;
  if (database.guard_active === false) {
    said.push(["warn", "No guard", "Claims are not guarded against duplicates after a failover or a restore: run id-alloc migrate up."]);
  }
  for (const warning of database.warnings) said.push(["warn", "Database setting", warning]);
  return said;
}

// Servers that share a trouble with the database share a line.
function databaseNotices(all) {
  const answer = all.filter((it) => !it.error);
  const of = (status, title, rest) => {
    const cut = answer.filter((it) => it.server.database.status === status);
    if (cut.length === 0) return [];
    const which = cut.length === answer.length ? "" : ` for ${cut.map(nameOf).join(", ")}`;
    return [["bad", `${title}${which}`, `${cut[0].server.database.error}${rest}`]];
  };
  return [
    ...of("down", "The database is down", ". Ids in memory are handed out; nothing can be claimed or changed."),
    ...of("unusable", "The database cannot serve", ""),
  ];
}

// What callers feel first, then why.
function notices(all, { errors, shortest }) {
  const said = [];
  if (shortest && shortest.supply_seconds < SHORT && shortest.rate > 0) {
    said.push(["bad", `${shortest.biz_tag} has ids for ${duration(shortest.supply_seconds)}`, `on ${nameOf(shortest.on)}, at its present rate, unless a claim succeeds.`]);
  }
  if (errors > 0) said.push(["bad", "Callers are refused", `${perSecond(errors)} by a fault of servers or database.`]);
  for (const { biz_tag, limit } of state.loaded.values()) {
    if (!limit || limit.used < 0.95) continue;
    const rest = limit.days_left === null ? "" : `; the rest lasts ${duration(limit.days_left * 86_400)}`;
    said.push(["bad", `${biz_tag} has used ${percent(limit.used)} of its limit`, `${count(limit.id_limit)}${rest}.`]);
  }
  said.push(...databaseNotices(all), ...all.flatMap(noticesOf));
  // Where the database is down, that is said already.
  if (state.fleet?.error && state.server.database.status === "up") {
    said.push(["warn", "Which servers there are cannot be read", `${state.fleet.error}. Those known are shown.`]);
  }
  if (state.fleet?.left_out) said.push(["warn", `${count(state.fleet.left_out)} servers are not shown`, "There are too many for one page."]);
  const bad = said.filter(([kind]) => kind === "bad");
  const others = said.filter(([kind]) => kind !== "bad");
  return html`<div class="notices">${[...bad, ...others].map(([kind, title, text]) =>
    html`<div class="message ${kind}" role="alert"><strong>${title}</strong> ${text}</div>`)}</div>`;
}

const card = (name, value, drawn, more = nothing, kind = "calm") => html`<div class="card ${kind}">
  <dt>${name}</dt><dd>${value} ${more}</dd>${drawn === nothing ? nothing : html`<dd>${drawn}</dd>`}</div>`;

const small = (text) => html`<small>${text}</small>`;

function together(all, fresh, sum) {
  const { history, shortest } = sum;
  const silent = all.length - fresh.length;
  const drawn = (values, label, options) => line(values, { label: `${label} over the last ten minutes`, ...options });
  const lasts = shortest?.supply_seconds ?? null;
  return html`<dl class="cards">
    ${card("Servers", html`<span data-field="answering">${fresh.length} of ${all.length}</span>`, nothing,
      small(silent > 0 ? "answer" : all.length > 1 ? "all answer" : "answers"), silent > 0 ? "bad" : "calm")}
    ${card("Ids handed out", html`<span data-field="total-rate">${perSecond(sum.ids)}</span>`, drawn(history.ids, "Ids per second"),
      small(`in ${perSecond(sum.requests)} requests`))}
    ${card("Errors", html`<span data-field="total-errors">${perSecond(sum.errors)}</span>`, drawn(history.errors, "Errors per second", { kind: history.errors.some((it) => it > 0) ? "bad" : "quiet" }),
      small(`and ${perSecond(sum.refused)} refused`), sum.errors > 0 ? "bad" : "calm")}
    ${card("Latency, p99", latency(sum.p99), drawn(history.p99, "Latency"), small(`half within ${latency(sum.p50)}`))}
    ${card("Shortest supply", shortest ? html`<span data-field="shortest">${duration(lasts)}</span>` : "—",
      drawn(history.supply, "Shortest supply", { top: 900, cut: true, mark: SHORT, kind: supplyKind(lasts) }),
      shortest ? html`<small><a href=${link({ tag: shortest.biz_tag })}>${shortest.biz_tag}</a>${all.length > 1 ? ` on ${nameOf(shortest.on)}` : ""}</small>` : small("no tag is in use"),
      shortest && lasts < SHORT ? "bad" : "calm")}
    ${card("Waiting requests", count(sum.waiting), nothing, nothing, sum.waiting > 0 ? "warn" : "calm")}
  </dl>`;
}

const badge = (kind, word, field) => html`<span class="badge ${kind}" data-field=${field ?? nothing}>${word}</span>`;

function row(it) {
  const { server } = it;
  const name = nameOf(it);
  const shown = it.this || !it.address ? html`<strong>${name}</strong>` : html`<a href="${it.address}/console" rel="noreferrer">${name}</a>`;
  const title = html`<th scope="row">${shown} ${it.this ? html`<small>this one</small>` : nothing}</th>`;
  if (!server) {
    return html`<tr class="bad" data-server=${name}>${title}<td data-label="State">${badge("bad", "no answer")}</td>
      <td colspan="7" class="why">${it.error}</td>
      <td data-label="Seen" class="number">${age(it.since)}</td></tr>`;
  }
  const { traffic, database, shortest_supplies: [shortest] } = server;
  const [kind, word] = STATUS[database.status] ?? ["warn", database.status];
  const lasts = shortest?.supply_seconds ?? null;
  return html`<tr class=${it.error ? "bad" : ""} data-server=${name}>
    ${title}
    <td data-label="State">${it.error ? badge("bad", "no answer") : server.draining ? badge("warn", "draining") : badge("good", "answers")}</td>
    <td data-label="Database">${badge(it.error ? "quiet" : kind, word, it.this ? "database" : undefined)}
      <small>${count(database.connections_in_use)} of ${count(database.connections_in_use + database.connections_idle)} connections</small></td>
    <td data-label="Ids" class="number">${perSecond(traffic.ids_per_second)}</td>
    <td data-label="Errors" class="number"><span class=${errorKind(traffic.errors_per_second)}>${perSecond(traffic.errors_per_second)}</span></td>
    <td data-label="p99" class="number">${latency(traffic.latency_p99_seconds)}</td>
    <td data-label="Waiting" class="number">${count(server.waiting_requests)}</td>
    <td data-label="Shortest supply">${shortest ? html`${badge(supplyKind(lasts), duration(lasts))} <small>${shortest.biz_tag}</small>` : "—"}</td>
    <td data-label="Tags in memory" class="number">${count(server.tags_loaded)}</td>
    <td data-label="As of" class="number"><span data-field="age">${age(it.at)}</span> <small>up for ${duration(server.uptime_seconds)}, v${server.version}</small></td>
  </tr>`;
}

function each(all) {
  const columns = ["Server", "State", "Database", "Ids", "Errors", "p99", "Waiting", "Shortest supply", "Tags in memory", "As of"];
  const right = new Set(["Ids", "Errors", "p99", "Waiting", "Tags in memory", "As of"]);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Servers"><table class="list servers">
    <caption class="hidden">Servers of this table, asked every second</caption>
    <thead><tr>${columns.map((it) => html`<th scope="col" class=${right.has(it) ? "number" : nothing}>${it}</th>`)}</tr></thead>
    <tbody>${all.map(row)}</tbody></table></div>
    ${state.server?.database.description ? html`<p class="hint">${state.server.database.description}; guard ${state.server.database.guard_active ? "on" : "off"}</p>` : nothing}`;
}

function who() {
  const caller = state.server?.caller;
  return caller?.name ? html`<small data-field="caller">${caller.name}${caller.scopes.includes("write") ? "" : ": may look, not change"}</small>` : nothing;
}

function known() {
  const all = servers(state);
  const fresh = all.filter((it) => isFresh(it));
  const sum = totals(fresh);
  return html`${notices(all, sum)}${together(all, fresh, sum)}${each(all)}`;
}

export function head() {
  return html`<header>
    <div class="bar">
      <h1 tabindex="-1"><img src="/console/icon.svg" alt="" width="28" height="28"> id-alloc <small>${location.host}</small></h1>
      ${who()}
      <button @click=${() => signOut()}>Forget the token</button>
    </div>
    ${state.server ? known() : waiting()}
  </header>`;
}

function waiting() {
  if (!state.stale) return html`<p class="hint">Asking this server…</p>`;
  const { error } = state.stale;
  return html`<div class="message bad" role="alert"><strong>${error.title}</strong> ${error.detail}</div>`;
}
