// The console: one page that draws what `state.js` knows. Text reaches the document as text only.

import { html, render, nothing } from "./lit-html.js";
import { create } from "./create.js";
import { head } from "./head.js";
import { go } from "./route.js";
import { follow, may, onChange, state } from "./state.js";
import { tag } from "./tag.js";
import { tags } from "./tags.js";
import { quotas } from "./quotas.js";
import { signInForm } from "./token.js";

const root = document.getElementById("page");

// A dialog lives for as long as the address names it.
function dialog(label, content) {
  const close = () => go({ tag: "", create: "" }, { replace: true });
  return content === nothing ? nothing : html`<dialog aria-labelledby=${label} @close=${close}>${content}</dialog>`;
}

function page() {
  if (!state.token) return signInForm();
  return html`
    ${head()}
    <main>${tags()}${quotas()}</main>
    ${dialog("tag-title", tag())}
    ${dialog("create-title", may("write") ? create() : nothing)}`;
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
addEventListener("hashchange", follow);
follow();
