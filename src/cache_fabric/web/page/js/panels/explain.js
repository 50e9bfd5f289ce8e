// Why a request was a hit or a miss: the candidates that were looked at, and what spoke for them.

import { html } from "../../vendor/preact-htm.js";
import { get, name } from "../api.js";
import { useAsked } from "../asked.js";
import { clock, line, share } from "../format.js";
import { Dialog, Facts, Trouble } from "../ui.js";

export function Explain({ id, close }) {
  const { value: told, error } = useAsked(() => get(`v1/explain/${name(id)}?texts=true`), [id]);
  return html`<${Dialog} title="Why?" close=${close}>
    <${Trouble} error=${error} />
    ${told && html`<${Facts} rows=${facts(told)} />
      ${told.candidates?.length > 0 && html`<${Candidates} all=${told.candidates} />`}
      ${told.history?.length > 0 && html`<h3>What happened to this answer</h3><ul class="list small">${told.history.map((each) => html`<li>${clock(each.at)} · ${each.what}${each.by ? ` by ${each.by}` : ""}${each.why ? `: ${each.why}` : ""}</li>`)}</ul>`}`}
  <//>`;
}

const SHOWN = { outcome: "Outcome", tier: "Tier", reason: "Reason", similarity: "Similarity", probability: "Right, as stated", threshold: "Threshold", policy: "Policy", state: "State", question: "Question", text: "Answer", model: "Model", entry_id: "Entry", id: "Id" };
const facts = (told) => [
  ...Object.entries(SHOWN).map(([key, label]) => [label, typeof told[key] === "number" ? share(told[key]) : line(told[key], "")]),
  ["Risk", told.scoring && `${share(told.scoring.risk)}, worth serving up to ${share(told.scoring.price)}`],
  ["Wrong answers so far", told.audit?.sampled ? `${share(told.audit.wrong_share)} of those served by meaning, ${told.audit.sampled} sampled` : null],
];

function verdict(each) {
  const objections = each.objections ?? each.guard ?? [];
  const parts = [each.best && "decided on", each.same_answer && "same answer as the best", objections.length ? `guard: ${objections.join(", ")}` : "guard passed"];
  return parts.filter(Boolean).join(" · ");
}

function Candidates({ all }) {
  return html`<h3>Candidates, nearest first</h3><div class="scroll"><table>
    <thead><tr><th>Question</th><th class="right">Similarity</th><th>Verdict</th></tr></thead>
    <tbody>${all.map((each) => html`<tr><td>${line(each.question)}</td><td class="right">${share(each.similarity)}</td>
      <td>${verdict(each)}</td></tr>`)}</tbody>
  </table></div>`;
}
