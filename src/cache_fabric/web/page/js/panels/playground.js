// Try it: one text, a hundred texts, and the first minute that shows what the fabric is for.

import { html, useState } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { dollars, ms, share } from "../format.js";
import { did, state, use } from "../store.js";
import { Badge, Card, Do, Empty, ending } from "../ui.js";
import { Batch } from "./batch.js";
import { Explain } from "./explain.js";
import { Thumbs } from "./feedback.js";
import { Agents } from "./agents.js";

// id, what to do and what comes of it, where
const STEPS = [
  ["miss", "Classify a new text: a miss, the model answers", "classify"],
  ["hit", "Classify it again: a hit, in a blink", "classify"],
  ["batch", "Run 100 mixed requests: wrong hits are counted", "run"],
  ["publish", "Publish another prompt: agents flip, the next call misses", "#/contexts"],
  ["feedback", "Thumbs down on a hit: the next call is computed anew", "classify"],
  ["outage", "Stop the store and start it: agents keep answering", "turn"],
];

function go(where) {
  if (where.startsWith("#")) location.hash = where;
  else document.getElementById(where)?.focus();
}

export function Playground() {
  const { demo } = use("demo");
  return html`<${FirstMinute} />
    <${One} demo=${demo} />
    <${Batch} demo=${demo} />
    <${Agents} demo=${demo} />`;
}

function FirstMinute() {
  const { done } = use("done");
  const next = STEPS.findIndex(([id]) => !done[id]);
  return html`<${Card} title="The first minute" about="In any order; each ticks itself off when it has happened. Pick one to go where it is done.">
    <ol class="steps">${STEPS.map(([id, label, where], at) => html`<li class=${done[id] ? "done" : at === next ? "next" : ""}><button class="plain" onClick=${() => go(where)}>${label}${done[id] && html`<span class="unseen"> (done)</span>`}</button></li>`)}</ol><//>`;
}

function One({ demo }) {
  const [text, setText] = useState(demo.examples[0]);
  const [beside, setBeside] = useState(false);
  const [found, setFound] = useState(null);
  const classify = async () => {
    if (!text.trim()) throw new Error("text: type something to classify first");
    const cached = await post("v1/demo/classify", { text, fresh: false });
    note(cached);
    setFound({ cached, fresh: null });
    if (beside) setFound({ cached, fresh: await post("v1/demo/classify", { text, fresh: true }) });
  };
  return html`<${Card} title="Playground" about=${`A forum's posts are moderated by ${demo.model.name}. The prompt is ${demo.prompt_key}.`}>
    <div class="stack">
      <label>Text to classify<textarea rows="2" maxlength="2000" value=${text} onInput=${(e) => setText(e.target.value)}
        onKeyDown=${(e) => e.key === "Enter" && (e.ctrlKey || e.metaKey) && document.getElementById("classify").click()}></textarea></label>
      <div class="row">
        <${Do} id="classify" class="primary" act=${classify}>Classify<//>
        <label class="inline"><input type="checkbox" checked=${beside} onChange=${(e) => setBeside(e.target.checked)} />ask the model as well, to compare</label>
      </div>
      <div class="row">${demo.examples.map((each) => html`<button class="chip" onClick=${() => setText(each)} title=${each}>${each}</button>`)}</div>
      ${found
        ? html`<div class="grid2"><${Result} key=${found.cached.execution_id} title="Through the cache" found=${found.cached} />
            ${found.fresh && html`<${Result} title="Fresh from the model" found=${found.fresh} />`}</div>`
        : html`<${Empty} title="Nothing classified yet">The answer, where it came from, and what it cost appear here.<//>`}
    </div><//>`;
}

function note(found) {
  if (found.outcome === "hit") {
    did("hit");
  } else {
    if (found.outcome === "miss") did("miss");
    if (state.blamed && state.blamed !== found.entry_id) did("feedback");
  }
}

export function Result({ title, found }) {
  const [explained, setExplained] = useState(false);
  const isHit = found.outcome === "hit";
  return html`<div class=${`pane ${isHit ? "hit" : ""}`} aria-label=${title}>
    <div class="row between"><h3>${title}</h3><span class="row"><${Badge} kind=${ending(found)}>${isHit ? `hit · ${found.tier}` : found.outcome}<//><strong class="num">${ms(found.ms)}</strong></span></div>
    <p class="answer">${found.answer}</p>
    <p class="small soft">${reason(found)}</p>
    <div class="row small">
      ${found.similarity != null && html`<span>similarity <strong class="num">${share(found.similarity)}</strong></span>`}
      ${isHit ? html`<span>saved <strong class="num">${dollars(found.saved)}</strong></span>` : html`<span>cost <strong class="num">${dollars(found.cost)}</strong></span>`}
      ${found.tokens != null && html`<span class="num">${found.tokens} tokens</span>`}
    </div>
    ${found.execution_id && html`<div class="row"><${Thumbs} execution=${found.execution_id} entry=${found.entry_id} />
      ${found.lookup_id && html`<button class="plain" onClick=${() => setExplained(true)}>Why?</button>`}</div>`}
    ${explained && html`<${Explain} id=${found.lookup_id} close=${() => setExplained(false)} />`}
  </div>`;
}

function reason(found) {
  const parts = [found.reason];
  if (found.context) parts.push(`context ${found.context.key} v${found.context.version}`);
  if (found.asked_before) parts.push(`asked before as “${found.asked_before}”`);
  return parts.filter(Boolean).join(" · ");
}
