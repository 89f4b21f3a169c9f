// The address: what stands behind its `#` says which dialog is open, what is searched for, and in which order, so that
// each has a link and Back leads there.

const FIELDS = ["prefix", "sort", "after", "page", "tag", "create"];

export function route() {
  const said = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(FIELDS.map((field) => [field, said.get(field) ?? ""]));
}

function addressOf(wanted) {
  const said = FIELDS.filter((field) => wanted[field]).map((field) => [field, wanted[field]]);
  return said.length > 0 ? `#${new URLSearchParams(said)}` : location.pathname;
}

// As a link. What is not said stays as it is.
export const link = (change) => addressOf({ ...route(), ...change });

// Goes there; in place of where it was, where Back should not lead there again.
export function go(change, { replace = false } = {}) {
  const address = link(change);
  if (replace) history.replaceState(null, "", address);
  else if (address !== (location.hash || location.pathname)) history.pushState(null, "", address);
  dispatchEvent(new Event("hashchange"));
}
