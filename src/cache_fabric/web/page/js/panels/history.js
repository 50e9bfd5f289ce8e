// Every run that was tracked: as it comes, by filter, by word, and by meaning.

import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { get, post, sought } from "../api.js";
import { useAsked } from "../asked.js";
import { ago, dollars, line } from "../format.js";
import { use } from "../store.js";
import { Badge, Card, Do, Empty, Trouble } from "../ui.js";
import { Thumbs } from "./feedback.js";
import { of, One, outcome } from "./run.js";

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
  const { value: remarks } = useAsked(() => get("v1/feedback?limit=200"), [], feedback);
  const verdicts = new Map((remarks?.items ?? []).filter((each) => each.verdict).map((each) => [each.execution_id, each.verdict]).reverse()); // the newest word stands
  const select = (id, label, choices) => html`<label>${label}<select value=${asked[id]} onChange=${(e) => ask({ [id]: e.target.value })}>
    <option value="">any</option>${choices.map((each) => html`<option>${each}</option>`)}</select></label>`;
  return html`<${Card} title="History" about="New runs appear on top as they are tracked.">
    <form class="row end" role="search" onSubmit=${(e) => { e.preventDefault(); ask({ words: typed.trim() }); }}>
      <label class="grow find">Find<input type="search" value=${typed} placeholder="words of the input or output" onInput=${(e) => setTyped(e.target.value)} /></label>
      <label>by<select value=${asked.by} onChange=${(e) => ask({ by: e.target.value, words: typed.trim() })}><option value="text">words</option><option value="like">meaning</option></select></label>
      ${select("status", "Status", ["success", "error", "running"])}${select("outcome", "Answer", ["hit", "miss", "bypass"])}${select("feedback", "Feedback", ["good", "bad"])}
      <button class="primary">Search</button>
    </form>
    <${Trouble} error=${error} />
    ${rows.length ? html`<${Rows} rows=${rows} verdicts=${verdicts} since=${opened.current} pick=${setOpen} />` : value && html`<${Empty} title="No run matches">${JSON.stringify(asked) === JSON.stringify(NOTHING) ? html`Runs appear here once an agent is tracked: <code>FabricCallbackHandler</code> in LangChain, or <code>fabric.track_execution</code>.` : "Try fewer words, or fewer filters."}<//>`}
    ${cursor && html`<p class="row"><${Do} act=${more}>Show older<//></p>`}
    ${open && html`<${One} run=${open} close=${() => setOpen(null)} />`}
  <//>`;
}

function Rows({ rows, verdicts, since, pick }) {
  return html`<div class="scroll"><table class="fixed">
    <thead><tr><th class="w5 hide-s">When</th><th class="hide-s w7">Graph</th><th>Input</th><th class="hide-s">Output</th><th class="w6">Answer</th><th class="right hide-s w6">Cost</th><th class="w6"><span class="hide-s">Feedback</span></th></tr></thead>
    <tbody>${rows.map((run) => html`<tr key=${run.execution_id} class=${`pick ${Date.parse(run.timestamp) > since ? "fresh" : ""}`} onClick=${() => pick(run)}>
      <td class="num hide-s">${ago(run.timestamp)}</td><td class="hide-s name">${run.graph_name}</td>
      <td class="cut"><button class="plain" onClick=${(e) => { e.stopPropagation(); pick(run); }}>${line(of(run, "input"))}</button></td>
      <td class="cut hide-s">${line(of(run, "output"))}</td>
      <td>${outcome(run) ? html`<${Badge} kind=${outcome(run).tier || outcome(run).outcome} />` : of(run, "status") === "error" ? html`<${Badge} kind="error" />` : "–"}</td>
      <td class="right hide-s">${dollars(of(run, "cost"))}</td>
      <td class="nowrap" onClick=${(e) => e.stopPropagation()}>${said(verdicts.get(run.execution_id)) || html`<${Thumbs} execution=${run.execution_id} entry=${outcome(run)?.entry_id} />`}</td></tr>`)}</tbody></table></div>`;
}

const said = (verdict) => verdict && html`<${Badge} kind=${verdict}>${verdict === "bad" ? "wrong" : "right"}<//>`;
