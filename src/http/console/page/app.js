// The console: one page that draws what `state.js` knows. Text reaches the document as text only.

import { html, render, nothing } from "./lit-html.js";
import { create } from "./create.js";
import { server } from "./server.js";
import { changed, onChange, openNamed, state } from "./state.js";
import { tag } from "./tag.js";
import { tags } from "./tags.js";
import { signInForm } from "./token.js";

const root = document.getElementById("page");

// A dialog lives for as long as there is something to say in it.
function dialog(label, content, key) {
  return content === nothing ? nothing : html`<dialog aria-labelledby=${label} @close=${() => close(key)}>${content}</dialog>`;
}

function close(key) {
  state[key] = null;
  if (location.hash) history.replaceState(null, "", location.pathname);
  changed();
}

function page() {
  if (!state.token) return signInForm();
  return html`
    ${server()}
    <main>${tags()}</main>
    ${dialog("tag-title", tag(), "open")}
    ${dialog("create-title", create(), "creating")}`;
}

const shown = new WeakSet();
let signedIn = null;
let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    render(page(), root);
    for (const it of root.querySelectorAll("dialog")) {
      if (!shown.has(it)) it.showModal();
      shown.add(it);
    }
    // What had the focus before is gone.
    if (signedIn !== Boolean(state.token)) root.querySelector("[name=token], h1")?.focus();
    signedIn = Boolean(state.token);
  });
}

onChange(draw);
addEventListener("hashchange", openNamed);
openNamed();
draw();
