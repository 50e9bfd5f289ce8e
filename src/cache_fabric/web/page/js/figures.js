// The four numbers that people came for, on top of every panel.

import { html } from "../vendor/preact-htm.js";
import { count, dollars, ms, percent, times } from "./format.js";
import { use } from "./store.js";

const MEANING = {
  rate: "Hits of hits and misses. Bypassed, failed and coalesced requests are in neither.",
  latency: "Mean time of served requests: what hits took, and what misses took with the model.",
  speedup: "What the same requests would have taken without the cache, over what they took.",
  saved: "What hits avoided, less what the cache spent and what bad feedback took back.",
};

export function Figures() {
  const { metrics: m } = use("metrics");
  const rate = m?.hit_rate_interval;
  const known = m?.pricing_coverage;
  return html`<dl class="kpis">
    <${Kpi} id="rate" label="Hit rate" value=${percent(m?.hit_rate)}>
      ${rate ? `95 %: ${rate[0].toFixed(1)} to ${percent(rate[1])}` : m?.requests ? `of ${count(m.requests)} requests` : "no lookups yet"}<//>
    <${Kpi} id="latency" label="A hit takes" value=${ms(m?.avg_hit_latency)}>a miss takes ${ms(m?.avg_miss_latency)}<//>
    <${Kpi} id="speedup" label="Speedup" value=${times(m?.speedup)}>
      ${m?.avg_latency == null ? "nothing served yet" : `${ms(m.avg_latency)} a request on average`}<//>
    <${Kpi} id="saved" label="Net cost saved" value=${dollars(m?.cost_saved)}>
      ${m?.cost_spent == null ? "nothing priced yet" : `${dollars(m.cost_spent)} spent`}${known != null && known < 95 ? ` · ${percent(known)} priced` : ""}<//>
  </dl>`;
}

const Kpi = ({ id, label, value, children }) => html`<div class="kpi" title=${MEANING[id]} data-figure=${id}>
  <dt>${label}</dt><dd>${value}</dd><p>${children}</p></div>`;
