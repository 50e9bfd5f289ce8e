// The few parts that all panels share.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
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

export const Facts = ({ rows }) => html`<dl class="facts">${rows
  .filter(([, value]) => value != null && value !== "")
  .map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>`;

// A button that waits for what it started and tells what went wrong.
export function Do({ act, children, ...rest }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await act();
    } catch (error) {
      say(error.field ? `${error.field}: ${error.message}` : error.message);
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" ...${rest} disabled=${busy || rest.disabled} onClick=${run}>${children}</button>`;
}

// What the server has at a path: asked anew when the path or one of `again` changes.
export function useAsked(ask, again) {
  const [found, setFound] = useState({ value: null, error: null });
  useEffect(() => {
    let left = false;
    ask().then(
      (value) => left || setFound({ value, error: null }),
      (error) => left || setFound((before) => ({ value: before.value, error })),
    );
    return () => { left = true; };
  }, again);
  return found;
}

export const Trouble = ({ error }) => error && html`<p class="note bad" role="alert">${error.message}</p>`;

export function Dialog({ title, close, children }) {
  const place = useRef(null);
  useEffect(() => { place.current.showModal(); }, []);
  return html`<dialog ref=${place} aria-label=${title} onClose=${close} onClick=${(e) => e.target === place.current && close()}>
    <div class="stack"><div class="row between"><h2>${title}</h2><button class="plain" onClick=${close} aria-label="Close">✕</button></div>${children}</div>
  </dialog>`;
}

const THUMB = "M7 10v11H3V10zm0 0 4-8c2 0 3 1 3 3v4h5.5c1.3 0 2.2 1.2 1.9 2.4l-1.8 7.4c-.2.8-1 1.2-1.9 1.2H7";
export const Thumb = ({ down }) => html`<svg class=${`icon ${down ? "down" : ""}`} viewBox="0 0 24 24" aria-hidden="true"><path d=${THUMB} /></svg>`;

// How a request ended: the tier of a hit, else the outcome.
export const ending = (event) => (event.outcome === "hit" ? event.tier || "exact" : event.outcome);
export const colour = (event) => (event.wrong ? "bad" : { semantic: "semantic", miss: "miss", bypass: "bypass", error: "bad" }[ending(event)] || "exact");
