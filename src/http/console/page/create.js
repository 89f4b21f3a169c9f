// The dialog that creates a tag.

import { html, nothing } from "./lit-html.js";
import { call, json, pathOf } from "./api.js";
import { count } from "./format.js";
import { asking, whole } from "./forms.js";
import { said } from "./say.js";
import { state } from "./state.js";

async function ask(fields) {
  const name = fields.get("name").trim();
  const body = json({ step: whole(fields, "step"), start: whole(fields, "start"), id_limit: whole(fields, "id_limit"), description: fields.get("description") });
  const { data } = await call(state.token, "PUT", pathOf(name), body, { "if-none-match": "*" });
  return `${data.biz_tag} is created: ids from ${data.max_id === 0 ? 1 : data.max_id}, step ${count(data.step)}.`;
}

export function create() {
  const { creating } = state;
  if (!creating) return nothing;
  return html`<form @submit=${asking(creating, "said", ask, { clears: true })}>
    <h2 id="create-title">Create a tag</h2>
    <label>Name <input name="name" required maxlength="128" spellcheck="false" autocomplete="off" autofocus></label>
    <label>Step <input name="step" inputmode="numeric" required value="1000" aria-describedby="step-hint"></label>
    <p id="step-hint" class="hint">The smallest number of ids per claim: about as many as are used in ten seconds. Servers claim more while a tag is busy.</p>
    <label>First id <input name="start" inputmode="numeric" placeholder="1" aria-describedby="start-hint"></label>
    <p id="start-hint" class="hint">Above every id that is already in use. For the name of a deleted tag: not below anything that was ever claimed of it.</p>
    <label>Limit <input name="id_limit" inputmode="numeric" placeholder="none of its own" aria-describedby="limit-hint"></label>
    <p id="limit-hint" class="hint">No id reaches this number: 2,147,483,647 where callers keep ids in 32 bits.</p>
    <label>Description <input name="description" maxlength="1024"></label>
    ${said(creating.said)}
    <div class="buttons">
      <button type="button" @click=${(event) => event.target.closest("dialog").close()}>Close</button>
      <button class="primary" aria-disabled=${creating.saidBusy === true}>Create</button>
    </div>
  </form>`;
}
