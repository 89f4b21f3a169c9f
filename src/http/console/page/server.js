// The head of the page: this server and its database.

import { html, nothing } from "./lit-html.js";
import { clock, count, duration } from "./format.js";
import { signOut, state } from "./state.js";

const MEANING = {
  up: ["good", "up"],
  starting: ["warn", "starting"],
  down: ["bad", "down"],
  unusable: ["bad", "unusable"],
};

const card = (name, value, more = nothing) => html`<div class="card"><dt>${name}</dt><dd>${value}${more}</dd></div>`;

function notices({ draining, database }) {
  const said = [];
  if (state.stale) {
    const { error, since } = state.stale;
    said.push(["bad", `${error.title} since ${clock(since)}`, `${error.detail} What you see is older than that.`]);
  }
  if (draining) said.push(["warn", "Draining", "This server is going away; callers are sent to others."]);
  if (database.status === "down") {
    said.push(["bad", "The database is down", `${database.error}. Ids in memory are handed out; nothing can be claimed or changed.`]);
  }
  if (database.status === "unusable") said.push(["bad", "The database cannot serve", database.error]);
  if (database.guard_active === false) {
    said.push(["warn", "No guard", "Claims are not guarded against duplicates after a failover or a restore: run id-alloc migrate up."]);
  }
  for (const warning of database.warnings) said.push(["warn", "Database setting", warning]);
  return said.map(([kind, title, text]) => html`<div class="message ${kind}" role="alert"><strong>${title}</strong> ${text}</div>`);
}

function cards(server) {
  const { database } = server;
  const [kind, word] = MEANING[database.status] ?? ["warn", database.status];
  return html`<dl class="cards">
    ${card("Database", html`<span class="badge ${kind}" data-field="database">${word}</span>`, html`<small>${database.description ?? ""}</small>`)}
    ${card("Guard", database.guard_active === null ? "—" : database.guard_active ? "on" : "off")}
    ${card("Connections", `${database.connections_in_use} busy`, html`<small>${database.connections_idle} idle</small>`)}
    ${card("Tags in memory", count(server.tags_loaded))}
    ${card("Waiting requests", count(server.waiting_requests))}
    ${card("Up for", duration(server.uptime_seconds))}
  </dl>`;
}

export function server() {
  const { server } = state;
  return html`<header>
    <div class="bar">
      <h1 tabindex="-1"><img src="/console/icon.svg" alt="" width="28" height="28"> id-alloc <small>${server ? `v${server.version}` : ""} ${location.host}</small></h1>
      <button @click=${() => signOut()}>Forget the token</button>
    </div>
    ${server ? html`${notices(server)}${cards(server)}` : waiting()}
  </header>`;
}

function waiting() {
  if (!state.stale) return html`<p class="hint">Asking this server…</p>`;
  const { error } = state.stale;
  return html`<div class="message bad" role="alert"><strong>${error.title}</strong> ${error.detail}</div>`;
}
