// Prompts and tools by version: what is live, what changed, and what a change does to the answers.

import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { get, name, post, put, query } from "../api.js";
import { ago, count, text } from "../format.js";
import { say, set, use } from "../store.js";
import { Badge, Card, Do, Empty, Facts, Trouble, useAsked } from "../ui.js";
import { Fleet } from "./agents.js";

const CLASSES = [
  ["behaviour", "behaviour", "answers given so far are not found any more; a rollback revives them"],
  ["cosmetic", "cosmetic", "wording only: the answers stay"],
  ["breaking", "breaking", "as behaviour, and callers have to change"],
];

export function Contexts() {
  const { changes, demo } = use("changes", "demo");
  const [prefix, setPrefix] = useState("");
  const [key, setKey] = useState(demo?.prompt_key ?? null);
  const { value, error } = useAsked(() => get(`v1/contexts${query({ prefix })}`), [prefix, changes.length]);
  const all = value?.items ?? [];
  const shown = key ?? all[0]?.key;
  return html`<div class="side">
    <${Card} title="Contexts"><div class="stack"><label>Begins with<input type="search" value=${prefix} onInput=${(e) => setPrefix(e.target.value)} /></label>
      <${Trouble} error=${error} />
      ${all.length ? html`<ul class="list">${all.map((each) => html`<li key=${each.key}><button aria-current=${each.key === shown} onClick=${() => setKey(each.key)}>${each.key}<span class="faint small"> v${each.version}</span></button></li>`)}</ul>`
        : value && html`<${Empty} title="No context">Publish one with <code>cache-fabric contexts set</code> or <code>cache-fabric compile</code>.<//>`}</div><//>
    <div class="stack">${shown && html`<${One} key=${shown} of=${shown} changes=${changes} />`}
      <${Card} title="Fleet" about="Which agent runs which revision, and how soon it did."><${Fleet} /><//></div></div>`;
}

function One({ of, changes }) {
  const touched = changes.filter((each) => each.key === of).length;
  const { value, error } = useAsked(() => Promise.all([get(`v1/contexts/${name(of)}`), get(`v1/contexts/${name(of)}/versions`)]), [of, touched]);
  const [current, all] = value ?? [null, { items: [] }];
  const versions = [...all.items].sort((a, b) => b.version - a.version);
  return html`<${Trouble} error=${error} />${current && html`
    <${Editor} of=${of} current=${current} />
    <${Versions} of=${of} versions=${versions} />`}`;
}

function Editor({ of, current }) {
  const isText = typeof current.value === "string";
  const [value, setValue] = useState(text(current.value));
  const [change, setChange] = useState("behaviour");
  const [message, setMessage] = useState("");
  useEffect(() => setValue(text(current.value)), [current.version]);
  const publish = async () => {
    let given = value;
    if (!isText) {
      try { given = JSON.parse(value); } catch { throw new Error("value: expected JSON, as it was"); }
    }
    const told = await put(`v1/contexts/${name(of)}`, { value: given, change, message: message || null, author: "dashboard" }, { "if-match": current.etag });
    set({ published: told.version });
    setMessage("");
    say(`${of} is at version ${told.version}`);
  };
  const isSame = value === text(current.value);
  return html`<${Card} title=${of} about=${`Version ${current.version}, behaviour ${current.behaviour}, ${ago(current.timestamp)}${current.author ? ` by ${current.author}` : ""}`}>
    <div class="stack">
      <label>What it says<textarea class="mono" rows=${Math.min(16, Math.max(4, value.split("\n").length + 1))} value=${value} onInput=${(e) => setValue(e.target.value)}></textarea></label>
      <fieldset class="row" style="border:0;padding:0;margin:0"><legend class="small soft">This change is</legend>
        ${CLASSES.map(([id, label, about]) => html`<label class="inline" title=${about}><input type="radio" name="change" checked=${change === id} onChange=${() => setChange(id)} />${label}</label>`)}
        <span class="small faint">${CLASSES.find(([id]) => id === change)[2]}</span></fieldset>
      <div class="row"><label class="grow">Why (kept with the version)<input value=${message} maxlength="500" onInput=${(e) => setMessage(e.target.value)} /></label>
        <label><span> </span><${Do} id="publish" class="primary" disabled=${isSame} act=${publish}>Publish<//></label></div>
    </div><//>`;
}

function Versions({ of, versions }) {
  const [compared, setCompared] = useState(null);
  const back = (version) => async () => {
    await post(`v1/contexts/${name(of)}/rollback`, { version, author: "dashboard", message: null });
    say(`${of} is back at what version ${version} said`);
  };
  return html`<${Card} title="Versions" about="Immutable; labels move.">
    <div class="scroll"><table><thead><tr><th class="right">Version</th><th>When</th><th>Who</th><th>Why</th><th>Labels</th><th></th></tr></thead>
      <tbody>${versions.map((each, at) => html`<tr key=${each.version}><td class="right"><strong>v${each.version}</strong> <span class="faint">b${each.behaviour}</span></td><td class="num">${ago(each.timestamp)}</td><td>${each.author ?? "–"}</td><td>${each.message ?? ""}</td>
        <td>${(Array.isArray(each.labels) ? each.labels : []).map((label) => html`<${Badge} kind="good">${label}<//> `)}${at === 0 && html`<${Badge} kind="good">current<//>`}</td>
        <td class="right">${at < versions.length - 1 && html`<button class="plain" onClick=${() => setCompared([versions[at + 1].version, each.version])}>diff</button>`}
          ${at > 0 && html`<${Do} class="plain" act=${back(each.version)}>roll back<//>`}</td></tr>`)}</tbody></table></div>
    ${compared && html`<${Diff} of=${of} a=${compared[0]} b=${compared[1]} />`}<//>`;
}

function Diff({ of, a, b }) {
  const { value, error } = useAsked(() => get(`v1/contexts/${name(of)}/diff${query({ a, b })}`), [of, a, b]);
  if (error) return html`<${Trouble} error=${error} />`;
  const lines = (value?.diff ?? "").split("\n").slice(2);
  return html`<h3>From version ${a} to ${b}</h3><pre class="diff">${lines.map((line) => html`<span class=${line[0] === "+" ? "add" : line[0] === "-" ? "del" : "faint"}>${line}${"\n"}</span>`)}</pre>`;
}
