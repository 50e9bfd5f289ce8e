// A prompt to edit and publish: what is typed stays typed, and is never written over another's version.

import { html, useState } from "../../vendor/preact-htm.js";
import { name, put } from "../api.js";
import { ago, text } from "../format.js";
import { say } from "../store.js";
import { Card, Do } from "../ui.js";
import { Chips } from "./agents.js";

const CLASSES = [
  ["behaviour", "answers given so far are not found any more; a rollback revives them"],
  ["cosmetic", "wording only: the answers stay"],
  ["breaking", "as behaviour, and callers have to change"],
];

export function Editor({ of, current }) {
  const isText = typeof current.value === "string";
  const [draft, setDraft] = useState(null); // { value, on }: what was typed, on which version
  const [change, setChange] = useState("behaviour");
  const [message, setMessage] = useState("");
  const value = draft?.value ?? text(current.value);
  const on = draft?.on ?? current;
  const isBehind = on.version !== current.version;
  const publish = async () => {
    const written = { value: isText ? value : parsed(value), change, message: message || null, author: "dashboard" };
    const told = await put(`v1/contexts/${name(of)}`, written, { "if-match": on.etag });
    setDraft(null);
    setMessage("");
    say(`${of} is at version ${told.version}`);
  };
  return html`<${Card} title=${of} about=${`Version ${current.version}, behaviour ${current.behaviour}, ${ago(current.timestamp)}${current.author ? ` by ${current.author}` : ""}`}>
    <label>What it says<textarea class="mono" spellcheck="false" rows=${rows(value)} value=${value} onInput=${(e) => setDraft({ value: e.target.value, on })}></textarea></label>
    ${isBehind && html`<div class="note warn row between" role="status"><span>Version ${current.version} was published while you typed.</span>
      <span class="row"><button onClick=${() => setDraft(null)}>Show it, drop mine</button><button onClick=${() => setDraft({ value, on: current })}>Keep mine on top of it</button></span></div>`}
    <fieldset class="row bare"><legend class="small soft">This change is</legend>
      ${CLASSES.map(([id, about]) => html`<label class="inline" title=${about}><input type="radio" name="change" checked=${change === id} onChange=${() => setChange(id)} />${id}</label>`)}
      <span class="small faint">${CLASSES.find(([id]) => id === change)[1]}</span></fieldset>
    <div class="row end"><label class="grow">Why (kept with the version)<input value=${message} maxlength="500" onInput=${(e) => setMessage(e.target.value)} /></label>
      <${Do} id="publish" class="primary" disabled=${value === text(current.value) || isBehind} act=${publish}>Publish<//></div>
    <${Chips} />
  <//>`;
}

const rows = (value) => Math.min(16, Math.max(4, value.slice(0, 4000).split("\n").length + 1));

function parsed(value) {
  try {
    return JSON.parse(value);
  } catch {
    throw new Error("value: expected JSON, as it was before");
  }
}
