// How bad it is: the same everywhere in the page. The bounds are those of the alerts.

export const SHORT = 60; // seconds of ids: IdAllocSupplyLow
export const BUDGET = 300; // seconds: what allocation.outage_budget is unless it was changed

export function supplyKind(seconds) {
  if (seconds === null || seconds === undefined) return "quiet";
  if (seconds < SHORT) return "bad";
  return seconds < BUDGET ? "warn" : "good";
}

// The share of its ids that a tag with a limit has used up.
export function usedKind(used) {
  if (used >= 0.95) return "bad";
  return used >= 0.8 ? "warn" : "good";
}

// The worst first.
const RANKS = ["bad", "warn", "good", "quiet"];

export function rankOf(loaded) {
  if (loaded.last_error || !loaded.responding) return 0;
  const kinds = [supplyKind(loaded.supply_seconds)];
  if (loaded.limit) kinds.push(usedKind(loaded.limit.used));
  return Math.min(...kinds.map((kind) => RANKS.indexOf(kind)));
}

export const errorKind = (perSecond) => (perSecond > 0 ? "bad" : "quiet");
