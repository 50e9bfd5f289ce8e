// Every run that was tracked: as it comes, by filter, by word, and by meaning.

import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { post, sought } from "../api.js";
import { useAsked } from "../asked.js";
import { ago, count, dollars, line, ms, text } from "../format.js";
import { use } from "../store.js";
import { Badge, Card, Dialog, Do, Empty, Facts, Long, Trouble } from "../ui.js";
import { Explain } from "./explain.js";
import { Thumbs } from "./feedback.js";

const NOTHING = { words: "", by: "text", status: "", outcome: "", feedback: "" };

export function History() {
  const { executions, feedback } = use("executions", "feedback");
  const [asked, setAsked] = useState(NOTHING);
  const [typed, setTyped] = useState("");
  const [older, setOlder] = useState({ rows: [], cursor: undefined });
  const [open, setOpen] = useState(null);
  const filters = { [asked.by]: asked.words, status: asked.status, outcome: asked.outcome, feedback: asked.feedback, limit: 50 };
  const { value, error } = useAsked(() => post("v1/executions/search", sought(filters)), [filters], asked.by === "like" ? 0 : executions + feedback);
  const ask = (patch) => { setOlder({ rows: [], cursor: undefined }); setAsked({ ...asked, ...patch }); };
  const opened = useRef(Date.now());
  const rows = [...(value?.items ?? []), ...older.rows].filter((each, at, all) => all.findIndex((other) => other.execution_id === each.execution_id) === at);
  const cursor = older.cursor === undefined ? value?.cursor : older.cursor;
  const more = async () => {
    const page = await post("v1/executions/search", sought({ ...filters, cursor }));
    setOlder((before) => ({ rows: [...before.rows, ...page.items], cursor: page.cursor }));
  };
  const select = (id, label, choices) => html`<label>${label}<select value=${asked[id]} onChange=${(e) => ask({ [id]: e.target.value })}>
    <option value="">any</option>${choices.map((each) => html`<option>${each}</option>`)}</select></label>`;
  return html`<${Card} title="History" about="New runs appear on top as they are tracked.">
    <form class="row" role="search" onSubmit=${(e) => { e.preventDefault(); ask({ words: typed.trim() }); }}>
      <label class="grow find">Find<input type="search" value=${typed} placeholder="words of the input or output" onInput=${(e) => setTyped(e.target.value)} /></label>
      <label>by<select value=${asked.by} onChange=${(e) => ask({ by: e.target.value, words: typed.trim() })}><option value="text">words</option><option value="like">meaning</option></select></label>
      ${select("status", "Status", ["success", "error", "running"])}${select("outcome", "Answer", ["hit", "miss", "bypass"])}${select("feedback", "Feedback", ["good", "bad"])}
      <label><span> </span><button class="primary">Search</button></label>
    </form>
    <${Trouble} error=${error} />
    ${rows.length ? html`<${Rows} rows=${rows} since=${opened.current} pick=${setOpen} />` : value && html`<${Empty} title="No run matches">${JSON.stringify(asked) === JSON.stringify(NOTHING) ? html`Runs appear here once an agent is tracked: <code>FabricCallbackHandler</code> in LangChain, or <code>fabric.track_execution</code>.` : "Try fewer words, or fewer filters."}<//>`}
    ${cursor && html`<p class="row"><${Do} act=${more}>Show older<//></p>`}
    ${open && html`<${One} run=${open} close=${() => setOpen(null)} />`}
  <//>`;
}

const answersOf = (run) => (Array.isArray(run.state.cache) ? run.state.cache : []);
const outcome = (run) => answersOf(run).at(-1) ?? null;
const of = (run, name) => run[name] ?? run.state[name];

function Rows({ rows, since, pick }) {
  return html`<div class="scroll"><table class="fixed">
    <thead><tr><th class="w5">When</th><th class="hide-s w7">Graph</th><th>Input</th><th class="hide-s">Output</th><th class="w6">Answer</th><th class="right hide-s w6">Cost</th><th class="w6"><span class="hide-s">Feedback</span></th></tr></thead>
    <tbody>${rows.map((run) => html`<tr key=${run.execution_id} class=${`pick ${Date.parse(run.timestamp) > since ? "fresh" : ""}`} onClick=${() => pick(run)}>
      <td class="num">${ago(run.timestamp)}</td><td class="hide-s name">${run.graph_name}</td>
      <td class="cut"><button class="plain" onClick=${(e) => { e.stopPropagation(); pick(run); }}>${line(of(run, "input"))}</button></td>
      <td class="cut hide-s">${line(of(run, "output"))}</td>
      <td>${outcome(run) ? html`<${Badge} kind=${outcome(run).tier || outcome(run).outcome} />` : of(run, "status") === "error" ? html`<${Badge} kind="error" />` : "–"}</td>
      <td class="right hide-s">${dollars(of(run, "cost"))}</td>
      <td class="nowrap" onClick=${(e) => e.stopPropagation()}>${said(run) || html`<${Thumbs} execution=${run.execution_id} entry=${outcome(run)?.entry_id} />`}</td></tr>`)}</tbody></table></div>`;
}

function said(run) {
  const all = run.feedback ?? [];
  if (!all.length) return null;
  const bad = all.some((each) => each.verdict === "bad");
  return html`<${Badge} kind=${bad ? "bad" : "good"}>${bad ? "wrong" : "right"}<//>`;
}

const Comments = ({ all }) => all.length > 0 && html`<h3>What was said of it</h3><ul class="list small">${all.map((each) => html`<li><${Badge} kind=${each.verdict === "bad" ? "bad" : "good"}>${each.verdict ?? each.name ?? "noted"}<//> ${line(each.comment, "")} <span class="faint">${each.user ?? each.annotator ?? ""}</span></li>`)}</ul>`;

function One({ run, close }) {
  const [explained, setExplained] = useState(null);
  const answers = answersOf(run);
  return html`<${Dialog} title="One run" close=${close}>
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
