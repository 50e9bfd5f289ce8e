// One run: what went in and came out, which answers it was given, what was said of it.

import { html, useState } from "../../vendor/preact-htm.js";
import { get, name } from "../api.js";
import { useAsked } from "../asked.js";
import { count, dollars, line, ms } from "../format.js";
import { use } from "../store.js";
import { Badge, Dialog, Facts, Long, Trouble } from "../ui.js";
import { Explain } from "./explain.js";
import { Thumbs } from "./feedback.js";

// A miss and the answer that was made of it are one.
export const answersOf = (run) => (Array.isArray(run.state.cache) ? run.state.cache : []).filter((each, at, all) => !each.entry_id || all.findIndex((other) => other.entry_id === each.entry_id) === at);
export const outcome = (run) => answersOf(run).at(-1) ?? null;
export const of = (run, name) => run[name] ?? run.state[name];

const Comments = ({ all }) => all.length > 0 && html`<h3>What was said of it</h3><ul class="list small">${all.map((each) => html`<li><${Badge} kind=${each.verdict === "bad" ? "bad" : "good"}>${each.verdict ?? each.name ?? "noted"}<//> ${line(each.comment, "")} <span class="faint">${each.user ?? each.annotator ?? ""}</span></li>`)}</ul>`;

export function One({ run: found, close }) {
  const { feedback } = use("feedback");
  const { value, error } = useAsked(() => get(`v1/executions/${name(found.execution_id)}`), [found.execution_id], feedback);
  const run = value ?? found;
  const [explained, setExplained] = useState(null);
  const answers = answersOf(run);
  return html`<${Dialog} title="One run" close=${close}>
    <${Trouble} error=${error} />
    <${Facts} rows=${[["Run", html`<code>${run.execution_id}</code>`], ["Graph", run.graph_name], ["Status", of(run, "status")], ["When", new Date(run.timestamp).toLocaleString()], ["User", of(run, "user")], ["Tenant", of(run, "tenant")], ["Tokens", count(of(run, "tokens"))], ["Cost", dollars(of(run, "cost"))], ["Seconds", of(run, "seconds") == null ? null : ms(1000 * of(run, "seconds"))], ["Error", line(of(run, "error"), "")]]} />
    <h3>Input</h3><${Long} of=${of(run, "input")} />
    <h3>Output</h3><${Long} of=${of(run, "output")} />
    <${Comments} all=${run.feedback ?? []} />
    ${answers.length > 0 && html`<h3>Answers it was given</h3><ul class="list">${answers.map((each) => html`<li class="row"><${Badge} kind=${each.tier || each.outcome} /><code title=${each.entry_id}>${each.entry_id?.slice(0, 12)}</code>
      ${each.entry_id && html`<button class="plain" onClick=${() => setExplained(each.entry_id)}>Why?</button>`}</li>`)}</ul>`}
    <div class="row"><span class="soft small">Was it right?</span><${Thumbs} execution=${run.execution_id} entry=${outcome(run)?.entry_id} /></div>
    ${explained && html`<${Explain} id=${explained} close=${() => setExplained(null)} />`}
  <//>`;
}
