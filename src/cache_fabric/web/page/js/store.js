// What the page knows. Panels read it with `use`; events and answers of the server change it.

import { useEffect, useRef, useState } from "../vendor/preact-htm.js";

const listeners = new Set();
export const state = {
  connected: null,
  signedOut: false,
  metrics: null,
  demo: null,
  fleet: [], // named processes, as their notes in the store say
  agents: {}, // what the demo's own agents tell of themselves, by name
  lookups: [], // newest first
  changes: [], // newest first
  ticks: [], // oldest first: figures over time
  pulses: [], // what the architecture draws
  counts: {}, // lookups by outcome or tier since the page was opened
  executions: 0, // grows with each that is told
  resyncs: 0,
  feedback: 0,
  verdicts: 0,
  batch: null,
  outage: null, // when the store was stopped, and how often agents had answered by then
  done: {}, // steps of the first minute
  toast: null,
};

let waiting = false;

export function set(patch) {
  Object.assign(state, typeof patch === "function" ? patch(state) : patch);
  if (waiting) return;
  waiting = true; // many events a frame are one drawing
  requestAnimationFrame(() => {
    waiting = false;
    for (const listener of listeners) listener();
  });
}

export function use(...names) {
  const [, draw] = useState(0);
  const seen = useRef(null);
  seen.current = names.map((name) => state[name]); // what this drawing shows
  useEffect(() => {
    const listener = () => {
      if (names.some((name, at) => state[name] !== seen.current[at])) draw((n) => n + 1);
    };
    listeners.add(listener);
    listener(); // effects run after the drawing: something may have come in between
    return () => listeners.delete(listener);
  }, []);
  return state;
}

export const prepend = (list, item, most = 200) => [item, ...list].slice(0, most);

const LINGERS = { told: 6000, failed: 20000 }; // milliseconds: what went wrong is read more slowly

let fading;
export function say(text, kind = "told") {
  clearTimeout(fading);
  set({ toast: { text, kind } });
  fading = setTimeout(unsay, LINGERS[kind]);
}

export const unsay = () => set({ toast: null });

export function did(step) {
  if (!state.done[step]) set((s) => ({ done: { ...s.done, [step]: true } }));
}
