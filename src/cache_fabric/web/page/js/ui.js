// The few parts that all panels share.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { count, cut, text } from "./format.js";
import { say } from "./store.js";

export function Card({ title, about, children, actions, id }) {
  return html`<section class="card" id=${id} aria-label=${title}>
    ${title && html`<header><div><h2>${title}</h2>${about && html`<p class="small soft">${about}</p>`}</div>
      ${actions && html`<div class="row">${actions}</div>`}</header>`}
    <div class="stack">${children}</div>
  </section>`;
}

export const Empty = ({ title, children }) => html`<div class="empty"><strong>${title}</strong><span>${children}</span></div>`;

export const Badge = ({ kind, children }) => html`<span class=${`badge ${kind || ""}`}>${children ?? kind}</span>`;

// A key breaks where its parts end.
export const Key = ({ of }) => of.split(/(?<=[:/_.])/).map((part) => html`${part}<wbr />`);

export const Facts = ({ rows }) => html`<dl class="facts">${rows
  .filter(([, value]) => value != null && value !== "")
  .map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>`;

// A button that waits for what it started and tells what went wrong.
export function Do({ act, children, ...rest }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await act();
    } catch (error) {
      say(error.field ? `${error.field}: ${error.message}` : error.message, "failed");
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" ...${rest} aria-busy=${busy} onClick=${run}>${children}</button>`;
}

export const Trouble = ({ error }) => error && html`<p class="note bad" role="alert">${error.message}${error.status === 0 || error.status === 503 ? ". What is shown is from before; it is asked again as soon as something happens." : ""}</p>`;

// Text of any length: what a reader can use of it, and how much there is.
export function Long({ of }) {
  const all = text(of);
  return html`<pre class="note">${cut(all, READABLE) || "–"}</pre>
    ${all.length > READABLE && html`<p class="small soft">Cut here: it has ${count(all.length)} characters in all.</p>`}`;
}

const READABLE = 20_000;

export function Dialog({ title, close, children }) {
  const place = useRef(null);
  useEffect(() => { place.current.showModal(); }, []);
  const shut = () => place.current.close(); // gives the focus back to what opened it
  return html`<dialog ref=${place} aria-label=${title} onClose=${close} onClick=${(e) => e.target === place.current && shut()}>
    <div class="stack"><div class="row between"><h2>${title}</h2><button class="plain" onClick=${shut} aria-label="Close">✕</button></div>${children}</div>
  </dialog>`;
}

const THUMB = "M7 10v11H3V10zm0 0 4-8c2 0 3 1 3 3v4h5.5c1.3 0 2.2 1.2 1.9 2.4l-1.8 7.4c-.2.8-1 1.2-1.9 1.2H7";
export const Thumb = ({ down }) => html`<svg class=${`icon ${down ? "down" : ""}`} viewBox="0 0 24 24" aria-hidden="true"><path d=${THUMB} /></svg>`;

// How a request ended: the tier of a hit, else the outcome.
export const ending = (event) => (event.outcome === "hit" ? event.tier || "exact" : event.outcome);
export const colour = (event) => (event.wrong ? "bad" : { semantic: "semantic", miss: "miss", bypass: "bypass", error: "bad" }[ending(event)] || "exact");
