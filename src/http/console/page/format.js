// Numbers as people read them. Integers come as numbers or, where they are large, as strings.

const grouped = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export const count = (number) => grouped.format(BigInt(number));

export const rate = (perSecond) => (perSecond < 0.01 ? "idle" : `${short.format(perSecond)}/s`);

// A rate of which none is good to know too.
export const perSecond = (number) => `${short.format(number)}/s`;

// How long a request took.
export function latency(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  return seconds < 1 ? `${short.format(seconds * 1000)} ms` : `${short.format(seconds)} s`;
}

// Seconds as the largest units that say enough.
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "< 1 s";
  const [name, length] = units[first];
  const whole = Math.floor(seconds / length);
  if (whole >= 1000) return `> ${grouped.format(1000)} ${name}`;
  const next = units[first + 1];
  const rest = next ? Math.floor((seconds - whole * length) / next[1]) : 0;
  return rest > 0 && whole < 10 ? `${whole} ${name} ${rest} ${next[0]}` : `${whole} ${name}`;
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// How old a figure is.
export function age(at, now = Date.now()) {
  if (!at) return "never";
  const seconds = Math.max(0, (now - at) / 1000);
  return seconds < 2.5 ? "now" : `${duration(seconds)} ago`;
}

export const percent = (share) => `${share > 0 && share < 0.001 ? "< 0.1" : short.format(100 * share)} %`;
