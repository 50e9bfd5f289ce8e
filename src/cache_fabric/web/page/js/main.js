// The frame: who is signed in, what the stream tells, which panel is open.

import { html, render, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { listen, signIn } from "./api.js";
import { Figures } from "./figures.js";
import { hear, read } from "./hear.js";
import { set, unsay, use } from "./store.js";
import { Theme, themed } from "./theme.js";
import { Answers } from "./panels/answers.js";
import { Architecture } from "./panels/architecture.js";
import { Contexts } from "./panels/contexts.js";
import { History } from "./panels/history.js";
import { Live } from "./panels/live.js";
import { Playground } from "./panels/playground.js";
import { System } from "./panels/system.js";

const PANELS = [
  ["playground", "Playground", Playground],
  ["live", "Live metrics", Live],
  ["architecture", "Architecture", Architecture],
  ["history", "History", History],
  ["contexts", "Contexts", Contexts],
  ["answers", "Answers", Answers],
  ["system", "System", System],
];

const panel = () => location.hash.slice(2);

function App() {
  const { demo, signedOut } = use("demo", "signedOut");
  const [open, setOpen] = useState(panel());
  useEffect(() => {
    const moved = () => {
      if (location.hash.startsWith("#token=")) location.reload(); // the whole address was put into a page that is open
      if (location.hash.startsWith("#/")) setOpen(panel());
    };
    addEventListener("hashchange", moved);
    moved(); // effects run after the drawing: it may have moved in between
    return () => removeEventListener("hashchange", moved);
  }, []);
  const shown = PANELS.filter(([id]) => demo || id !== "playground");
  const [id, title, Panel] = shown.find(([each]) => each === open) || shown[0];
  useEffect(() => {
    document.title = `${title} · Cache Fabric`;
    scrollTo(0, 0);
  }, [title]);
  if (signedOut) return html`<${SignedOut} />`;
  return html`
    <header class="top"><div class="top-in">
      <div class="row between">
        <h1 class="brand"><img src="page/icon.svg" alt="" />Cache Fabric</h1>
        <div class="row marks"><${Simulated} model=${demo?.model} /><${Connection} /><${Theme} /></div>
      </div>
      <${Tabs} shown=${shown} id=${id} />
    </div></header>
    <main id="main" tabindex="-1"><${Figures} /><${Panel} key=${id} /></main>
    <${Toast} />`;
}

const Simulated = ({ model }) => model?.simulated && html`<span class="badge simulated" title=${`It answers from a table after ${model.latency_ms} ms; its calls are priced as ${model.priced_as}. Token counts are ${model.tokens_estimated ? "estimated" : "real"}.`}>simulated<span class="hide-s"> model, ${model.latency_ms} ms</span></span>`;

function Connection() {
  const { connected } = use("connected");
  const [kind, words] = connected ? ["on", "live"] : connected === false ? ["off", "reconnecting"] : ["", "connecting"];
  return html`<span class="chip" role="status"><i class=${`dot ${kind}`}></i>${words}</span>`;
}

function Tabs({ shown, id }) {
  const place = useRef(null);
  useEffect(() => {
    const tab = place.current.querySelector("[aria-current]");
    place.current.scrollLeft = tab.offsetLeft - (place.current.clientWidth - tab.clientWidth) / 2; // on a phone not all fit
  }, [id, shown.length]);
  return html`<nav class="tabs" ref=${place} aria-label="Panels">${shown.map(([each, label]) => html`<a href=${`#/${each}`} aria-current=${each === id ? "page" : null}>${label}</a>`)}</nav>`;
}

function Toast() {
  const { toast } = use("toast");
  if (!toast) return null;
  return html`<div class=${`toast ${toast.kind}`} role=${toast.kind === "failed" ? "alert" : "status"}><span>${toast.text}</span><button class="plain" onClick=${unsay} aria-label="Close">✕</button></div>`;
}

const SignedOut = () => html`<main><div class="card empty"><strong>You are not signed in</strong>
  <span>Open the whole address that <code>cache-fabric demo</code> or <code>cache-fabric serve</code> printed; it ends in <code>#token=…</code>. A restarted demo prints a new one.</span></div></main>`;

async function entered() {
  try {
    const session = await signIn();
    return session.signed_in ? session : null;
  } catch (error) {
    if (error.status === 401) return null; // the token of another server
    await new Promise((done) => setTimeout(done, 2000));
    return entered();
  }
}

async function begin() {
  themed();
  const session = await entered();
  if (session === null) set({ signedOut: true });
  else await read(session.beside.includes("/v1/demo"));
  const root = document.getElementById("root");
  root.textContent = "";
  render(html`<${App} />`, root);
  if (session !== null) listen(hear, (connected) => set({ connected }), () => set({ signedOut: true }));
}

begin();
