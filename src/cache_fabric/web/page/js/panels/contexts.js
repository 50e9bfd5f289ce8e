// Prompts and tools by version: what is live, what changed, who serves it.

import { html, useState } from "../../vendor/preact-htm.js";
import { get, name, post, query } from "../api.js";
import { useAsked } from "../asked.js";
import { ago, count, line } from "../format.js";
import { say, use } from "../store.js";
import { Badge, Card, Do, Empty, Key, Trouble } from "../ui.js";
import { Fleet } from "./agents.js";
import { Editor } from "./editor.js";

const MOST = 200;

export function Contexts() {
  const { changes, demo } = use("changes", "demo");
  const [prefix, setPrefix] = useState("");
  const [key, setKey] = useState(demo?.prompt_key ?? null);
  const { value, error } = useAsked(() => get(`v1/contexts${query({ prefix })}`), [prefix], changes);
  const all = value?.items ?? [];
  const shown = key ?? all[0]?.key;
  return html`<div class="side">
    <${Card} title="Contexts"><div class="stack"><label>Begins with<input type="search" value=${prefix} onInput=${(e) => setPrefix(e.target.value)} /></label>
      <${Trouble} error=${error} />
      ${all.length ? html`<ul class="list">${all.slice(0, MOST).map((each) => html`<li key=${each.key}><button aria-current=${each.key === shown} onClick=${() => setKey(each.key)}><${Key} of=${each.key} /><span class="faint small"> v${each.version}</span></button></li>`)}</ul>
          ${all.length > MOST && html`<p class="small soft">${count(all.length - MOST)} more: say how they begin.</p>`}`
        : value && html`<${Empty} title=${prefix ? "No context begins so" : "No context yet"}>${prefix ? "Clear the field to see all." : html`Publish a prompt with <code>cache-fabric contexts set</code>, or all of a manifest with <code>cache-fabric compile</code>.`}<//>`}</div><//>
    <div class="stack">${shown && html`<${One} key=${shown} of=${shown} changes=${changes} />`}
      <${Card} title="Fleet" about="Which agent runs which revision, and how soon it did."><${Fleet} /><//></div></div>`;
}

function One({ of, changes }) {
  const touched = changes.find((each) => each.key === of);
  const { value, error } = useAsked(() => Promise.all([get(`v1/contexts/${name(of)}`), get(`v1/contexts/${name(of)}/versions`)]), [of], touched);
  const [current, all] = value ?? [null, { items: [] }];
  const versions = [...all.items].sort((a, b) => b.version - a.version);
  return html`<${Trouble} error=${error} />${current && html`
    <${Editor} of=${of} current=${current} />
    <${Versions} of=${of} versions=${versions} />`}`;
}

function Versions({ of, versions }) {
  const [compared, setCompared] = useState(null);
  const back = (version) => async () => {
    await post(`v1/contexts/${name(of)}/rollback`, { version, author: "dashboard", message: null });
    say(`${of} is back at what version ${version} said`);
  };
  return html`<${Card} title="Versions" about="Immutable; labels move.">
    <div class="scroll"><table><thead><tr><th class="right">Version</th><th>When</th><th class="hide-s">Who</th><th>Why</th><th>Labels</th><th></th></tr></thead>
      <tbody>${versions.map((each, at) => html`<tr key=${each.version}><td class="right"><strong>v${each.version}</strong> <span class="faint">b${each.behaviour}</span></td><td class="num">${ago(each.timestamp)}</td><td class="name hide-s">${each.author ?? "–"}</td><td class="name">${line(each.message, "")}</td>
        <td>${each.labels.map((label) => html`<${Badge} kind="good">${label}<//> `)}${at === 0 && html`<${Badge} kind="good">current<//>`}</td>
        <td class="right nowrap">${at < versions.length - 1 && html`<button class="plain" onClick=${() => setCompared([versions[at + 1].version, each.version])}>diff</button>`}
          ${at > 0 && html`<${Do} class="plain" act=${back(each.version)}>roll back<//>`}</td></tr>`)}</tbody></table></div>
    ${compared && html`<${Diff} of=${of} a=${compared[0]} b=${compared[1]} />`}<//>`;
}

function Diff({ of, a, b }) {
  const { value, error } = useAsked(() => get(`v1/contexts/${name(of)}/diff${query({ a, b })}`), [of, a, b]);
  if (error) return html`<${Trouble} error=${error} />`;
  const lines = (value?.diff ?? "").split("\n").slice(2);
  return html`<h3>From version ${a} to ${b}</h3><pre class="diff">${lines.map((each) => html`<span class=${each[0] === "+" ? "add" : each[0] === "-" ? "del" : "faint"}>${each}${"\n"}</span>`)}</pre>`;
}
