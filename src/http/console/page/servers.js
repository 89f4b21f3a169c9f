// The servers that share the table, as far as this page has met them: what each told last, and since when it tells nothing.

const met = new Map();

export function withoutServers() {
  met.clear();
}

// Takes in what this server found out. One that stopped in good order, or left long ago, is not listed any more.
export function meet(servers) {
  const now = Date.now();
  for (const id of [...met.keys()]) if (!servers.some((it) => it.id === id)) met.delete(id);
  for (const it of servers) {
    const before = met.get(it.id);
    // One that was dead already was last seen when it wrote itself down.
    const since = it.error && (before?.since ?? before?.at ?? now - 1000 * (it.seen_seconds ?? 0));
    met.set(it.id, {
      ...it,
      server: it.server ?? before?.server ?? null,
      at: it.server ? now : before?.at ?? 0,
      since: it.error ? since : null,
    });
  }
}

// All of them, this one first and as new as it is known.
export function servers(state) {
  const others = [...met.values()].filter((it) => !it.this);
  const known = [...met.values()].find((it) => it.this);
  const error = state.stale && `${state.stale.error.title}: ${state.stale.error.detail}`;
  const own = { ...known, this: true, server: state.server, at: state.serverAt, error, since: state.stale?.since };
  return state.server ? [own, ...others] : others;
}

// What is known of others is as old as the newest answer of this one.
export const isFresh = (it, now = Date.now()) => Boolean(it.server) && !it.error && now - it.at < 10_000;

export const nameOf = (it) => it.address?.replace(/^https?:\/\//, "") ?? it.name ?? location.host;

const sum = (numbers) => numbers.reduce((all, it) => all + it, 0);
const most = (numbers) => numbers.reduce((all, it) => (it === null ? all : Math.max(all ?? it, it)), null);
const least = (numbers) => numbers.reduce((all, it) => (it === null ? all : Math.min(all ?? it, it)), null);

// The tag that runs out first, anywhere.
function shortest(fresh) {
  const all = fresh.flatMap((it) => it.server.shortest_supplies.map((tag) => ({ ...tag, on: it })));
  return all.sort((a, b) => a.supply_seconds - b.supply_seconds)[0] ?? null;
}

// All servers that answer, together; each history ends with what is so now.
export function totals(fresh) {
  const now = (field) => fresh.map((it) => it.server.traffic[field]);
  const past = (field, last, together) => {
    const lists = fresh.map((it, at) => [...it.server.history[field], last[at]]);
    const length = Math.max(0, ...lists.map((list) => list.length));
    // They end at the same moment.
    return Array.from({ length }, (_, at) =>
      together(lists.map((list) => list[list.length - length + at]).filter((it) => it !== undefined)));
  };
  const supplies = fresh.map((it) => it.server.shortest_supplies[0]?.supply_seconds ?? null);
  const rates = now("ids_per_second"), errors = now("errors_per_second"), latencies = now("latency_p99_seconds");
  return {
    ids: sum(rates),
    requests: sum(now("requests_per_second")),
    errors: sum(errors),
    refused: sum(now("refused_per_second")),
    p50: most(now("latency_p50_seconds")),
    p99: most(latencies),
    waiting: sum(fresh.map((it) => it.server.waiting_requests)),
    shortest: shortest(fresh),
    history: {
      ids: past("ids_per_second", rates, sum),
      errors: past("errors_per_second", errors, sum),
      p99: past("latency_p99_seconds", latencies, most),
      supply: past("supply_seconds", supplies, least),
    },
  };
}
