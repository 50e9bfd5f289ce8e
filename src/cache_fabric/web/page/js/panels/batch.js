// A hundred requests of a stated mix, counted as they come; a wrong hit is listed, never hidden.

import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { post, remove } from "../api.js";
import { count, line, ms, percent, share } from "../format.js";
import { use } from "../store.js";
import { Card, colour, Do, Empty } from "../ui.js";

const KINDS = { repeat: "repeats", paraphrase: "paraphrases", new: "new", trap: "traps" };
const TRAPS = "Traps are one small edit away from a question that was asked, with another answer: a negation, another number, another date.";

export function Batch({ demo }) {
  const { batch } = use("batch");
  const [mix, setMix] = useState(demo.mix);
  const total = Object.values(mix).reduce((sum, each) => sum + each, 0);
  const running = batch && batch.done < batch.total && !batch.stopped;
  const run = () => post("v1/demo/batch", { mix });
  return html`<${Card} title=${`Batch of ${count(total)}`} about=${TRAPS}
    actions=${running ? html`<${Do} act=${() => remove("v1/demo/batch")}>Stop<//>` : html`<${Do} id="run" class="primary" act=${run} disabled=${!total}>Run ${count(total)}<//>`}>
    <div class="stack">
      <div class="mix">${Object.entries(KINDS).map(([id, label]) => html`<label>${label}: ${mix[id]}
        <input type="range" min="0" max="100" step="5" value=${mix[id]} disabled=${running} onInput=${(e) => setMix({ ...mix, [id]: Number(e.target.value) })} /></label>`)}</div>
      ${batch ? html`<${Progress} batch=${batch} />` : html`<${Empty} title="No batch was run yet">Run it several times: the policy begins cautiously, within its budget of wrong answers, and learns from each miss.<//>`}
    </div><//>`;
}

function Progress({ batch }) {
  const hits = batch.exact + batch.semantic;
  return html`
    <div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax=${batch.total} aria-valuenow=${batch.done}><i style=${{ width: `${(100 * batch.done) / batch.total}%` }}></i></div>
    ${batch.error && html`<p class="note bad" role="alert">${batch.error}</p>`}
    <div class="row between num"><span>${batch.done} of ${batch.total}${batch.stopped ? ", stopped" : ""}</span>
      <span class="row"><span class="c-exact">${batch.exact} exact</span><span class="c-semantic">${batch.semantic} semantic</span><span class="c-miss">${batch.miss} misses</span>
        <strong>${percent(batch.done ? (100 * hits) / batch.done : null)} hits</strong><strong class=${batch.wrong.length ? "c-bad" : ""}>${batch.wrong.length} wrong</strong></span></div>
    <${Scatter} points=${batch.points} total=${batch.total} />
    <${Wrong} all=${batch.wrong} traps=${batch.traps} />`;
}

const HEIGHT = 190;
const LEFT = 52;
const y = (value) => { // 0.1 ms to 10 s, by the power of ten
  const power = Math.min(4, Math.max(-1, Math.log10(Math.max(value, 0.1))));
  return 10 + (HEIGHT - 34) * (1 - (power + 1) / 5);
};

function Scatter({ points, total }) {
  const place = useRef(null);
  const [width, setWidth] = useState(900); // one unit is one pixel, so that words keep their size
  useEffect(() => {
    const sized = new ResizeObserver(() => setWidth(Math.max(240, place.current.clientWidth)));
    sized.observe(place.current);
    return () => sized.disconnect();
  }, []);
  const x = (n) => LEFT + 8 + ((width - LEFT - 20) * (n - 1)) / Math.max(1, total - 1);
  return html`<figure ref=${place}><svg viewBox=${`0 0 ${width} ${HEIGHT}`} width="100%" role="img" aria-label="Latency of each request, by the power of ten">
    ${[0.1, 1, 10, 100, 1000, 10000].map((mark) => html`<line x1=${LEFT} x2=${width} y1=${y(mark)} y2=${y(mark)} stroke="var(--line)" /><text x=${LEFT - 8} y=${y(mark) + 4} text-anchor="end">${mark < 1000 ? `${mark} ms` : `${mark / 1000} s`}</text>`)}
    ${points.map((p) => html`<circle key=${p.n} class=${`c-${colour(p)}`} cx=${x(p.n)} cy=${y(p.ms)} r=${p.wrong ? 6 : 3.6} fill="currentColor" fill-opacity=".78"><title>${`${p.n}: ${p.kind}, ${ms(p.ms)}${p.wrong ? ", wrong hit" : ""}`}</title></circle>`)}
  </svg><figcaption class="legend"><span class="c-exact"><i></i>exact hit</span><span class="c-semantic"><i></i>semantic hit</span><span class="c-miss"><i></i>miss</span><span class="c-bad"><i></i>wrong hit</span></figcaption></figure>`;
}

function Wrong({ all, traps }) {
  if (!all.length) return html`<p class="note">No wrong hit so far${traps ? `; ${traps} traps were asked` : ""}.</p>`;
  return html`<div class="stack"><h3>Wrong hits: what was served to whom</h3><div class="scroll"><table>
    <thead><tr><th>Asked</th><th>Answered as</th><th class="right">Similarity</th></tr></thead>
    <tbody>${all.map((each) => html`<tr><td>${line(each.question)}</td><td>${line(each.answered_as)}</td><td class="right">${share(each.similarity)}</td></tr>`)}</tbody></table></div></div>`;
}
