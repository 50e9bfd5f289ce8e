// How a request goes, drawn as it goes: the ways light up by where each request ended.

import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { clock, count, ms, share } from "../format.js";
import { set, use } from "../store.js";
import { Badge, Card, colour, Empty, ending, Facts } from "../ui.js";

// id: [x, y, name, what it does]
const BOXES = {
  host: [20, 150, "Your app", "LangChain, LiteLLM"],
  keys: [190, 150, "Keys", "question and context"],
  hot: [360, 40, "Hot tier", "in this process"],
  exact: [360, 150, "Exact tier", "the store"],
  flight: [530, 150, "One flight", "one call for all"],
  semantic: [530, 40, "Semantic tier", "embedder and index"],
  guard: [700, 40, "Guard, policy", "may it be served?"],
  model: [700, 150, "Model", "asked on a miss"],
  store: [530, 260, "Write behind", "answers and vectors"],
  contexts: [190, 260, "Contexts", "versions, live"],
};
const WIDTH = 140;
const HEIGHT = 62;

const WAYS = [["host", "keys"], ["contexts", "keys"], ["keys", "hot"], ["hot", "exact"], ["exact", "flight"], ["flight", "semantic"], ["semantic", "guard"], ["guard", "model"], ["model", "store"], ["store", "exact"]];

const ROUTES = {
  hot: ["host", "keys", "hot"],
  exact: ["host", "keys", "hot", "exact"],
  flight: ["host", "keys", "hot", "exact", "flight"],
  semantic: ["host", "keys", "hot", "exact", "flight", "semantic", "guard"],
  pinned: ["host", "keys", "hot", "exact"],
  miss: ["host", "keys", "hot", "exact", "flight", "semantic", "guard", "model", "store"],
  bypass: ["host", "keys"],
};

export function Architecture() {
  const { pulses, lookups, counts, changes, fleet, metrics } = use("pulses", "lookups", "counts", "changes", "fleet", "metrics");
  const [picked, setPicked] = useState("exact");
  useEffect(() => set({ pulses: [] }), []); // what went before is not shown as if it went now
  return html`<${Card} title="How a request goes" about="Each request runs along the way that it took. Pick a part for its counters and last events.">
      <div class="scroll"><svg class="arch" viewBox="10 30 845 300" role="group" aria-label="The parts of the fabric">
        ${WAYS.map(([a, b]) => html`<path class="way" d=${way(a, b)} />`)}
        ${pulses.map((event) => legs(event).map(([a, b], at) => html`<path key=${`${event.id ?? event.lookup_id ?? event.at}${a}${b}`} class=${`pulse c-${colour(event)}`} stroke="currentColor" style=${{ animationDelay: `${at * 90}ms` }} d=${way(a, b)} />`))}
        ${Object.entries(BOXES).map(([id, [x, y, name, about]]) => html`<g key=${id} class=${`box ${picked === id ? "picked" : ""}`} tabindex="0" role="button" aria-pressed=${picked === id} aria-label=${`${name}: ${about}`}
          transform=${`translate(${x} ${y})`} onClick=${() => setPicked(id)} onKeyDown=${(e) => (e.key === "Enter" || e.key === " ") && (e.preventDefault(), setPicked(id))}>
          <rect width=${WIDTH} height=${HEIGHT} rx="10" /><text x=${WIDTH / 2} y="27">${name}</text><text class="sub" x=${WIDTH / 2} y="45">${about}</text></g>`)}
      </svg></div>
      <p class="legend"><span class="c-exact"><i></i>exact hit</span><span class="c-semantic"><i></i>semantic hit</span><span class="c-miss"><i></i>miss</span><span class="c-bypass"><i></i>bypass</span></p>
    <//>
    <${Card} title=${BOXES[picked][2]} about=${BOXES[picked][3]}>
      <div class="grid2"><${Facts} rows=${counters(picked, metrics, counts, changes, fleet)} /><${Last} part=${picked} lookups=${lookups} changes=${changes} /></div><//>`;
}

function legs(event) {
  const route = ROUTES[ending(event)] || ROUTES.miss;
  return route.slice(1).map((part, at) => [route[at], part]);
}

function way(a, b) {
  const [ax, ay] = BOXES[a];
  const [bx, by] = BOXES[b];
  if (ay === by) return ax < bx ? `M${ax + WIDTH} ${ay + HEIGHT / 2}H${bx}` : `M${ax} ${ay + HEIGHT / 2}H${bx + WIDTH}`;
  if (ax === bx) return ay < by ? `M${ax + WIDTH / 2} ${ay + HEIGHT}V${by}` : `M${ax + WIDTH / 2} ${ay}V${by + HEIGHT}`;
  const middle = ax < bx ? (ax + WIDTH + bx) / 2 : (bx + WIDTH + ax) / 2;
  const [from, to] = ax < bx ? [ax + WIDTH, bx] : [ax, bx + WIDTH];
  return `M${from} ${ay + HEIGHT / 2}C${middle} ${ay + HEIGHT / 2} ${middle} ${by + HEIGHT / 2} ${to} ${by + HEIGHT / 2}`;
}

const tier = (m, name) => m?.latency?.[name];
const ofTier = (m, name) => [["Hits", count(tier(m, name)?.count ?? 0)], ["p50", ms(tier(m, name)?.p50)], ["p99", ms(tier(m, name)?.p99)]];

function counters(part, m, counts, changes, fleet) {
  return {
    host: [["Requests", count(m?.requests)], ["Bypassed", count(m?.bypassed)], ["Hit rate", m?.hit_rate == null ? "–" : `${m.hit_rate.toFixed(1)} %`]],
    keys: [["Requests", count(m?.requests)], ["Bypassed", count(m?.bypassed)]],
    hot: ofTier(m, "hot"),
    exact: ofTier(m, "exact"),
    flight: [["Coalesced", count(m?.coalesced)], ...ofTier(m, "flight")],
    semantic: ofTier(m, "semantic"),
    guard: [["Refused near misses", count(m?.refused_near_misses)], ["Wrong hits, estimated", m?.wrong_semantic_hits?.sampled ? `${m.wrong_semantic_hits.percent.toFixed(2)} %` : "–"], ["Sampled", count(m?.wrong_semantic_hits?.sampled)]],
    model: [["Misses", count(m?.misses)], ["p50", ms(tier(m, "miss")?.p50)], ["p99", ms(tier(m, "miss")?.p99)]],
    store: [["Stored", count(m?.answers?.stored)], ["Refused", count(m?.answers?.refused)], ["Dropped", count(m?.answers?.dropped)], ["Evicted", count(m?.evicted)]],
    contexts: [["Changes seen here", count(changes.length)], ["Named agents", count(fleet.length)], ["Newest revision", count(Math.max(0, ...fleet.map((each) => each.revision)) || null)]],
  }[part];
}

const CONCERNS = {
  hot: (e) => ending(e) === "hot", exact: (e) => ["exact", "pinned"].includes(ending(e)), flight: (e) => ending(e) === "flight",
  semantic: (e) => ending(e) === "semantic", guard: (e) => e.similarity != null, model: (e) => e.outcome === "miss", store: (e) => e.outcome === "miss",
};

function Last({ part, lookups, changes }) {
  if (part === "contexts") {
    return html`<div><h3>Last changes</h3>${changes.length ? html`<ul class="list small">${changes.slice(0, 3).map((each) => html`<li>${clock(each.at)} · ${each.op} ${each.key} v${each.version}</li>`)}</ul>` : html`<p class="soft small">None since this page was opened.</p>`}</div>`;
  }
  const last = lookups.filter(CONCERNS[part] || (() => true)).slice(0, 3);
  if (!last.length) return html`<${Empty} title="No event here yet">The last three appear as they come.<//>`;
  return html`<div><h3>Last events</h3><ul class="list small">${last.map((each) => html`<li class="row"><span class="num">${clock(each.at)}</span><${Badge} kind=${ending(each)} /><span>${each.model}</span><span class="num">${ms(1000 * each.seconds)}</span>${each.similarity != null && html`<span class="num">${share(each.similarity)}</span>`}<span class="soft">${each.reason}</span></li>`)}</ul></div>`;
}
