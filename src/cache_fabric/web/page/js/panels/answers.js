// The answers that are kept: what they saved, what was taken out of service, and the way back.

import { html, useState } from "../../vendor/preact-htm.js";
import { get, name, post, query } from "../api.js";
import { useAsked } from "../asked.js";
import { ago, count, dollars, line } from "../format.js";
import { use } from "../store.js";
import { Card, Do, Empty, Trouble } from "../ui.js";
import { Explain } from "./explain.js";

const STATES = [["active", "In service"], ["quarantined", "Quarantined"], ["pinned", "Pinned"]];
const NONE = {
  active: ["No answer is kept yet", "Each miss keeps one: send the first request, in the Playground or through your app."],
  quarantined: ["Nothing is in quarantine", "An answer that was rated wrong waits here until somebody restores it."],
  pinned: ["Nothing is pinned", "A correction becomes a pinned answer; it is served before all others."],
};

export function Answers() {
  const { metrics, verdicts } = use("metrics", "verdicts");
  const [of, setOf] = useState("active");
  const [sort, setSort] = useState("saved");
  const [explained, setExplained] = useState(null);
  const { value, error } = useAsked(() => get(`v1/answers${query({ state: of, sort, limit: 50 })}`), [of, sort], verdicts + (metrics?.requests ?? 0));
  const rows = value?.items ?? [];
  return html`<${Card} title="Answers" about="Hits and savings are of this server since it began." actions=${html`<select aria-label="Order" value=${sort} onChange=${(e) => setSort(e.target.value)}>
      <option value="saved">most saved first</option><option value="newest">newest first</option></select>`}>
    <div class="row" role="group" aria-label="State">${STATES.map(([id, label]) => html`<button class=${of === id ? "primary" : ""} aria-pressed=${of === id} onClick=${() => setOf(id)}>${label}</button>`)}</div>
    <${Trouble} error=${error} />
    ${rows.length ? html`<div class="scroll"><table class="fixed"><thead><tr><th>Question</th><th class="hide-s">Answer</th><th class="right hide-s w4">Hits</th><th class="right w6">Saved</th><th class="hide-s w10">Context</th><th class="hide-s w6">Born</th><th class="w-acts"></th></tr></thead>
      <tbody>${rows.map((each) => html`<tr key=${each.id}><td class="cut" title=${line(each.question)}><button class="plain" onClick=${() => setExplained(each.id)}>${line(each.question)}</button></td><td class="cut hide-s" title=${shown(each)}>${shown(each)}</td>
        <td class="right hide-s">${count(each.hits)}</td><td class="right">${dollars(each.saved)}</td><td class="hide-s small cut" title=${contexts(each)}>${contexts(each)}</td><td class="num hide-s">${ago(each.created)}</td>
        <td class="nowrap acts"><button class="plain hide-s" onClick=${() => setExplained(each.id)}>Why?</button> <${Acts} of=${of} entry=${each} /></td></tr>`)}</tbody></table></div>`
      : value && html`<${Empty} title=${NONE[of][0]}>${NONE[of][1]}<//>`}
    ${explained && html`<${Explain} id=${explained} close=${() => setExplained(null)} />`}<//>`;
}

const contexts = (each) => each.contexts.map((use) => use.key).join(", ") || "–";
const shown = (each) => line(each.text);

function Acts({ of, entry }) {
  const act = (verb, why) => () => post(`v1/answers/${name(entry.id)}/${verb}`, { by: "dashboard", why });
  if (of === "quarantined") return html`<${Do} act=${act("restore", "restored on the dashboard")}>Restore<//>`;
  if (of === "pinned") return html`<${Do} class="danger" act=${act("restore", "unpinned on the dashboard")}>Unpin<//>`;
  return html`<${Do} class="danger" act=${act("retire", "retired on the dashboard")}>Retire<//>`;
}
