// Figures over time, with a mark where a prompt was published, and what they rest on.

import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { get } from "../api.js";
import { useAsked } from "../asked.js";
import { clock, count, dollars, ms, percent, times } from "../format.js";
import { tick } from "../hear.js";
import { use } from "../store.js";
import { Card, Empty, Facts, Trouble } from "../ui.js";

const PLOTS = [
  ["Hit rate", [["hit_rate", "exact"]], percent],
  ["Latency", [["hit", "exact"], ["miss", "miss"]], ms, true],
  ["Speedup", [["speedup", "semantic"]], times],
  ["Net cost saved", [["saved", "exact"]], dollars],
];
const SPANS = [["", "As it happens"], ["1h", "Last hour"], ["24h", "Last day"]];
const HEIGHT = 190;
const BY = ["model", "context", "tag", "tenant", "graph"];

export function Live() {
  const { ticks, changes, metrics } = use("ticks", "changes", "metrics");
  const [span, setSpan] = useState("");
  const { value: rows, error } = useAsked(() => (span ? get(`v1/metrics/series?window=${span}`) : Promise.resolve(null)), [span], span && ticks.length >> 3);
  const points = span ? (rows?.items ?? []).map(tick) : ticks;
  const marks = changes.filter((each) => each.op !== "label").map((each) => each.at);
  return html`<${Trouble} error=${error} />
    <div class="row" role="group" aria-label="Time shown">${SPANS.map(([id, label]) => html`<button class=${id === span ? "primary" : ""} aria-pressed=${id === span} onClick=${() => setSpan(id)}>${label}</button>`)}
      <span class="small soft">${span ? "Each point is of its minute or hour." : "All requests so far, since this page was opened."}</span></div>
    <div class="grid2 wide">${PLOTS.map(([title, series, form, powers]) => html`<${Card} key=${title} title=${title}>
      <${Plot} points=${points} series=${series} form=${form} powers=${powers} marks=${marks} /><//>`)}</div>
    <p class="legend"><span class="c-exact"><i></i>hits</span><span class="c-miss"><i></i>misses</span><span class="c-bypass"><i></i>a prompt was published</span></p>
    <div class="grid2"><${Latencies} metrics=${metrics} /><${Truth} metrics=${metrics} /></div>
    <${Savings} metrics=${metrics} />`;
}

let library;
function plotLibrary() { // 22 kB that only this panel needs
  library ||= new Promise((resolve, reject) => {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "page/vendor/uplot.css" });
    const script = Object.assign(document.createElement("script"), { src: "page/vendor/uplot.js", onload: () => resolve(globalThis.uPlot), onerror: reject });
    document.head.append(sheet, script);
  });
  return library;
}

const inked = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function Plot({ points, series, form, powers, marks }) {
  const place = useRef(null);
  const drawn = useRef(null);
  const marked = useRef(marks);
  marked.current = marks;
  const data = [points.map((each) => each.at), ...series.map(([name]) => points.map((each) => each[name] ?? null))];
  const isEmpty = !points.some((each) => series.some(([name]) => each[name] != null));
  useEffect(() => {
    if (isEmpty) return undefined;
    let left = false;
    plotLibrary().then((Library) => {
      if (left) return;
      drawn.current = new Library(options(place.current.clientWidth, series, form, powers, marked), data, place.current);
    });
    const sized = new ResizeObserver(() => drawn.current?.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    sized.observe(place.current);
    return () => { left = true; sized.disconnect(); drawn.current?.destroy(); drawn.current = null; };
  }, [isEmpty, document.documentElement.dataset.theme]);
  useEffect(() => { drawn.current?.setData(data); }, [points, marks.length]);
  if (isEmpty) return html`<${Empty} title="Nothing measured yet">It fills as requests come in.<//>`;
  return html`<div class="plot" ref=${place}></div>`;
}

function options(width, series, form, powers, marked) {
  const axis = { stroke: inked("faint"), grid: { stroke: inked("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width, height: HEIGHT, legend: { show: false }, cursor: { y: false },
    scales: { x: { time: true }, y: powers ? { distr: 3 } : { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max((high ?? 0) * 1.08, 1e-9)] } },
    axes: [{ ...axis, size: 30, values: (_, values) => values.map(clock) , space: 80 }, { ...axis, size: 64, ...(powers ? { splits: tens } : {}), values: (_, values) => values.map((each) => (each == null ? "" : form(each))) }],
    series: [{}, ...series.map(([name, ink]) => ({ label: name, stroke: inked(ink), width: 2, spanGaps: true, points: { size: 4 } }))],
    hooks: { draw: [(plot) => mark(plot, marked.current)] },
  };
}

const tens = (_, __, low, high) => Array.from({ length: 12 }, (_, n) => 10 ** (n - 5)).filter((each) => each >= low && each <= high);

function mark(plot, times) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = inked("bypass");
  ctx.setLineDash([4, 4]);
  for (const at of times) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function Latencies({ metrics }) {
  const rows = Object.entries(metrics?.latency ?? {}).filter(([, each]) => each?.count);
  if (!rows.length) return html`<${Card} title="Latency by tier"><${Empty} title="Nothing measured yet">Quantiles of hits by tier, and of misses.<//><//>`;
  return html`<${Card} title="Latency by tier"><div class="scroll"><table>
    <thead><tr><th>Served from</th><th class="right">Requests</th><th class="right">p50</th><th class="right">p95</th><th class="right">p99</th></tr></thead>
    <tbody>${rows.map(([tier, each]) => html`<tr><td>${tier}</td><td class="right">${count(each.count)}</td><td class="right">${ms(each.p50)}</td><td class="right">${ms(each.p95)}</td><td class="right">${ms(each.p99)}</td></tr>`)}</tbody></table></div><//>`;
}

function Truth({ metrics: m }) {
  const wrong = m?.wrong_semantic_hits;
  return html`<${Card} title="What the figures rest on"><${Facts} rows=${[
    ["Wrong semantic hits", wrong?.sampled ? `${percent(wrong.percent)} (95 %: ${percent(wrong.low)} to ${percent(wrong.high)}, ${count(wrong.sampled)} sampled)` : "– (no sample yet)"],
    ["Refused near misses", count(m?.refused_near_misses)],
    ["Avoided", dollars(m?.cost_avoided)],
    ["Overhead of the cache", dollars(m?.cost_overhead)],
    ["Taken back by feedback", dollars(m?.cost_reversed)],
    ["Spent on model calls", dollars(m?.cost_spent)],
    ["Provider's prompt cache", `${dollars(m?.provider_cache_saved)} (not in the net)`],
    ["Price known for", percent(m?.pricing_coverage)],
    ["Tokens avoided", count(m?.tokens_avoided)],
    ["Counted over", m?.scope === "fabric" ? "all processes of the fabric" : "this process"],
  ]} /><//>`;
}

function Savings({ metrics }) {
  const [by, setBy] = useState("model");
  const rows = metrics?.savings?.[by] ?? [];
  const choices = BY.filter((each) => metrics?.savings?.[each]);
  return html`<${Card} title="Savings" about="What hits avoided, before overhead and reversals."
    actions=${html`<select aria-label="Savings by" value=${by} onChange=${(e) => setBy(e.target.value)}>${choices.map((each) => html`<option value=${each}>by ${each}</option>`)}</select>`}>
    ${rows.length ? html`<div class="scroll"><table><thead><tr><th>${by}</th><th class="right">Lookups</th><th class="right">Hits</th><th class="right">Tokens avoided</th><th class="right">Avoided</th></tr></thead>
      <tbody>${rows.map((each) => html`<tr><td>${each.name}</td><td class="right">${count(each.lookups)}</td><td class="right">${count(each.hits)}</td><td class="right">${count(each.tokens_avoided)}</td><td class="right">${dollars(each.cost_avoided)}</td></tr>`)}</tbody></table></div>`
      : html`<${Empty} title="No savings yet">The first hit makes the first row.<//>`}<//>`;
}
