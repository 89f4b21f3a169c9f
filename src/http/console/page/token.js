// Who you are: the admin token, held in memory and, if wanted, for this tab.

import { html, nothing } from "./lit-html.js";
import { problem } from "./say.js";
import { changed, signIn, state } from "./state.js";
import { Refused, tokenOf } from "./api.js";

function submit(event) {
  event.preventDefault();
  const fields = new FormData(event.target);
  try {
    signIn(tokenOf(fields.get("token")), fields.has("keep"));
  } catch (error) {
    state.refused = Refused.of(error);
    changed();
  }
}

export function signInForm() {
  return html`<main class="sign-in">
    <form @submit=${submit}>
      <h1><img src="/console/icon.svg" alt="" width="32" height="32"> id-alloc</h1>
      ${state.refused ? problem(state.refused) : nothing}
      <label>Admin token
        <input name="token" type="password" autocomplete="off" spellcheck="false" required autofocus aria-describedby="token-hint"></label>
      <p id="token-hint" class="hint">One of <code>admin.tokens_file</code>, made by <code>id-alloc token new</code>.
        Scope <code>read</code> shows, <code>write</code> changes.</p>
      <label class="check"><input name="keep" type="checkbox"> Keep it until this tab is closed</label>
      <button class="primary">Open the console</button>
    </form>
  </main>`;
}
