// The frame: who is signed in, what the stream tells, which panel is open.

import { html, render, useEffect, useState } from "../vendor/preact-htm.js";
import { get, listen, signIn } from "./api.js";
import { Figures } from "./figures.js";
import { byName, hear } from "./hear.js";
import { set, use } from "./store.js";
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

function App() {
  const { demo, signedOut, toast, connected } = use("demo", "signedOut", "toast", "connected");
  const [open, setOpen] = useState(location.hash.slice(2));
  useEffect(() => {
    const moved = () => setOpen(location.hash.slice(2));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const shown = PANELS.filter(([id]) => demo || id !== "playground");
  const [id, title, Panel] = shown.find(([each]) => each === open) || shown[0];
  useEffect(() => { document.title = `${title} · Cache Fabric`; }, [title]);
  if (signedOut) return html`<${SignedOut} />`;
  return html`
    <header class="top"><div class="top-in">
      <div class="row between">
        <span class="brand"><img src="page/icon.svg" alt="" />Cache Fabric</span>
        <span class="row">
          ${demo?.model?.simulated && html`<span class="badge simulated" title=${`Answers after ${demo.model.latency_ms} ms, priced as ${demo.model.priced_as}; token counts are real.`}>simulated model</span>`}
          <span class="chip" role="status"><i class=${`dot ${connected ? "on" : connected === false ? "off" : ""}`}></i>${connected ? "live" : connected === false ? "reconnecting" : "connecting"}</span>
          <${Theme} />
        </span>
      </div>
      <nav class="tabs" aria-label="Panels">${shown.map(([each, label]) => html`<a href=${`#/${each}`} aria-current=${each === id ? "page" : null}>${label}</a>`)}</nav>
    </div></header>
    <main id="main"><${Figures} /><${Panel} key=${id} /></main>
    ${toast && html`<div class="toast" role="alert">${toast}</div>`}`;
}

function Theme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  const turn = () => {
    const next = theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("cache-fabric-theme", next);
    setTheme(next);
  };
  return html`<button class="plain" onClick=${turn} aria-label=${`Use the ${theme === "dark" ? "light" : "dark"} theme`}>${theme === "dark" ? "☀" : "☾"}</button>`;
}

const SignedOut = () => html`<main><div class="card empty"><strong>You are not signed in</strong>
  <span>Open the whole address that <code>cache-fabric demo</code> or <code>cache-fabric serve</code> printed; it ends in <code>#token=…</code>.</span></div></main>`;

async function begin() {
  const kept = localStorage.getItem("cache-fabric-theme");
  document.documentElement.dataset.theme = kept || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  try {
    await signIn();
    set({ metrics: await get("v1/metrics") });
  } catch (error) {
    if (error.status === 401) set({ signedOut: true });
  }
  const [demo, fleet] = await Promise.all([get("v1/demo").catch(() => null), get("v1/fleet").catch(() => null)]);
  set({ demo, agents: byName(demo?.agents), fleet: fleet?.items ?? [] });
  render(html`<${App} />`, document.getElementById("root"));
  listen(hear, (connected, ended) => set({ connected, signedOut: Boolean(ended) && !connected }));
}

begin();
