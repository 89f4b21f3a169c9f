// Figures over time, drawn: the newest at the right.

import { html, svg, nothing } from "./lit-html.js";

const WIDTH = 120;
const HEIGHT = 28;

// Points in a row, so that a time without figures stays empty.
function runs(values) {
  const found = [];
  let run = null;
  values.forEach((value, at) => {
    if (value === null || value === undefined) return (run = null);
    if (!run) found.push((run = []));
    run.push([at, value]);
  });
  return found;
}

// `room`: how many values fill the width. `top`: the value at the upper edge, or more where a value is higher and
// nothing is cut off. `mark`: a value whose height is drawn as a line.
export function line(values, { label, room = 61, top = 0, cut = false, mark, kind = "" }) {
  if (values.length < 2) return html`<svg class="line" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${`${label}: too new to draw`}></svg>`;
  const highest = cut ? top : Math.max(top, ...values.filter((it) => it !== null));
  const x = (at) => WIDTH - ((values.length - 1 - at) * WIDTH) / Math.max(room - 1, values.length - 1);
  const y = (value) => HEIGHT - 1 - (highest > 0 ? (Math.min(value, highest) / highest) * (HEIGHT - 3) : 0);
  const drawn = runs(values).map((run) => {
    const path = run.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" L");
    const [first, last] = [x(run[0][0]).toFixed(1), x(run.at(-1)[0]).toFixed(1)];
    return svg`<path class="area" d=${`M${first},${HEIGHT} L${path} L${last},${HEIGHT} Z`}></path>
      <path class="stroke" d=${`M${path}`}></path>`;
  });
  return html`<svg class=${`line ${kind}`} viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${label}>
    ${drawn}
    ${mark === undefined ? nothing : svg`<line class="mark" x1="0" x2=${WIDTH} y1=${y(mark)} y2=${y(mark)}></line>`}
  </svg>`;
}
