// The answers that are kept: what they saved, what was taken out of service, and the way back.

import { html, useState } from "../../vendor/preact-htm.js";
import { get, name, post, query } from "../api.js";
import { ago, count, dollars, text } from "../format.js";
import { use } from "../store.js";
import { Card, Do, Empty, Trouble, useAsked } from "../ui.js";
import { Explain } from "./explain.js";

const STATES = [["active", "In service"], ["quarantined", "Quarantined"], ["pinned", "Pinned"]];
const NONE = {
  active: ["No answer is kept yet", "Each miss keeps one."],
  quarantined: ["Nothing is in quarantine", "An answer that was rated wrong waits here until somebody restores it."],
  pinned: ["Nothing is pinned", "A correction becomes a pinned answer; it is served before all others."],
};

export function Answers() {
  const { metrics, verdicts } = use("metrics", "verdicts");
  const [of, setOf] = useState("active");
  const [sort, setSort] = useState("saved");
  const [explained, setExplained] = useState(null);
  const { value, error } = useAsked(() => get(`v1/answers${query({ state: of, sort, limit: 50 })}`), [of, sort, verdicts, Math.floor((metrics?.requests ?? 0) / 10)]);
  const rows = value?.items ?? [];
  return html`<${Card} title="Answers" about="Hits and savings are of this server since it began." actions=${html`<select aria-label="Order" value=${sort} onChange=${(e) => setSort(e.target.value)}>
      <option value="saved">most saved first</option><option value="newest">newest first</option></select>`}>
    <div class="row" role="tablist" aria-label="State">${STATES.map(([id, label]) => html`<button role="tab" class=${of === id ? "primary" : ""} aria-selected=${of === id} onClick=${() => setOf(id)}>${label}</button>`)}</div>
    <${Trouble} error=${error} />
    ${rows.length ? html`<div class="scroll"><table><thead><tr><th>Question</th><th>Answer</th><th class="right">Hits</th><th class="right">Saved</th><th class="hide-s">Context</th><th>Born</th><th></th></tr></thead>
      <tbody>${rows.map((each) => html`<tr key=${each.id}><td class="cut" title=${text(each.question)}>${text(each.question)}</td><td class="cut" title=${shown(each)}>${shown(each)}</td>
        <td class="right">${count(each.hits)}</td><td class="right">${dollars(each.saved)}</td><td class="hide-s small">${(each.contexts ?? []).map(contextName).join(", ") || "–"}</td><td class="num">${ago(each.created)}</td>
        <td class="nowrap"><${Acts} of=${of} entry=${each} /> <button class="plain" onClick=${() => setExplained(each.id)}>Why?</button></td></tr>`)}</tbody></table></div>`
      : value && html`<${Empty} title=${NONE[of][0]}>${NONE[of][1]}<//>`}
    ${explained && html`<${Explain} id=${explained} close=${() => setExplained(null)} />`}<//>`;
}

const contextName = (each) => (typeof each === "string" ? each : (each.key ?? each[0]));
const shown = (each) => text(each.text ?? each.answer ?? each.response);

function Acts({ of, entry }) {
  const act = (verb, why) => () => post(`v1/answers/${name(entry.id)}/${verb}`, { by: "dashboard", why });
  if (of === "quarantined") return html`<${Do} act=${act("restore", "restored on the dashboard")}>Restore<//>`;
  if (of === "pinned") return html`<${Do} class="danger" act=${act("restore", "unpinned on the dashboard")}>Unpin<//>`;
  return html`<${Do} class="danger" act=${act("retire", "retired on the dashboard")}>Retire<//>`;
}
