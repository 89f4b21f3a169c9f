// Rate and supply of each tag that is shown, over the last minutes, as this page saw them.

const KEPT = 300; // looks, about one a second
const LONGEST = 600_000; // milliseconds after the newest look
const TAGS = 500;

const traces = new Map();

export function trace(tags, at) {
  for (const tag of tags) {
    const seen = traces.get(tag.biz_tag) ?? [];
    if (seen.at(-1)?.at === at) continue;
    seen.push({ at, rate: tag.rate, supply: tag.supply_seconds });
    if (seen.length > KEPT) seen.shift();
    traces.delete(tag.biz_tag);
    traces.set(tag.biz_tag, seen);
  }
  for (const [name, seen] of traces) {
    if (traces.size <= TAGS && at - seen.at(-1).at < LONGEST) break; // those seen longest ago stand first
    traces.delete(name);
  }
}

export const traceOf = (name, field) => (traces.get(name) ?? []).map((it) => it[field]);
