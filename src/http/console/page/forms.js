// Forms that ask the server for something and show beside them what came of it.

import { Refused } from "./api.js";
import { changed, refreshNow } from "./state.js";

const typed = (form) => JSON.stringify([...new FormData(form)]);

// A handler of `submit`: `ask(fields)` gives the text of the success. What was typed stays in the form
// unless it succeeded, `clears` says so, and nothing else was typed meanwhile. One answer at a time.
export function asking(holder, key, ask, { clears = false } = {}) {
  return async (event) => {
    event.preventDefault();
    const form = event.target;
    if (holder[`${key}Busy`]) return;
    const asked = typed(form);
    holder[`${key}Busy`] = true;
    holder[key] = null;
    changed();
    try {
      holder[key] = { good: await ask(new FormData(form)) };
      if (clears && typed(form) === asked) {
        form.reset();
        if (form.contains(document.activeElement)) form.querySelector("input:not([type=radio]), textarea").focus();
      }
    } catch (error) {
      holder[key] = { refused: Refused.of(error) };
    } finally {
      holder[`${key}Busy`] = false;
    }
    refreshNow();
  };
}

// What was typed as a whole number; `undefined` where nothing was.
export function whole(fields, name) {
  const text = fields.get(name)?.trim().replace(/[\s,_]/g, "");
  if (!text) return undefined;
  if (!/^\d+$/.test(text)) throw new Refused(0, "Not a number", `${name} must be a whole number, written in digits.`);
  return BigInt(text);
}
