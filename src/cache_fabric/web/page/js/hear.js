// What each event of the stream does to what the page knows.

import { get } from "./api.js";
import { did, prepend, set, state } from "./store.js";
import { ending } from "./ui.js";

const MOST_TICKS = 1800;

export function hear(kind, data) {
  HEARD[kind]?.(data);
}

const HEARD = {
  lookup(event) {
    const end = ending(event);
    set((s) => ({
      lookups: prepend(s.lookups, event),
      counts: { ...s.counts, [end]: (s.counts[end] || 0) + 1 },
      pulses: prepend(s.pulses, event, 6),
    }));
  },
  store(event) {
    set((s) => ({ counts: { ...s.counts, [event.outcome]: (s.counts[event.outcome] || 0) + 1 } }));
  },
  change(event) {
    set((s) => ({ changes: prepend(s.changes, event) }));
  },
  execution() {
    set((s) => ({ executions: s.executions + 1 }));
  },
  feedback() {
    set((s) => ({ feedback: s.feedback + 1 }));
  },
  verdict() {
    set((s) => ({ verdicts: s.verdicts + 1 }));
  },
  metrics(event) {
    set((s) => ({ metrics: event, ticks: [...s.ticks, tick(event)].slice(-MOST_TICKS) }));
  },
  fleet(event) {
    set({ fleet: event.items });
  },
  agent(event) {
    const before = state.agents[event.name];
    if (before?.version && event.version !== before.version) did("publish");
    set((s) => ({ agents: { ...s.agents, [event.name]: event } }));
  },
  batch(event) {
    set((s) => ({ batch: follow(s.batch, event) }));
    if (event.done === event.total) did("batch");
  },
  demo(event) {
    set({ demo: event, agents: byName(event.agents) });
  },
  resync: again,
};

// Something was missed: what stands in the store is read anew.
async function again() {
  await read(state.demo !== null).catch(() => null); // the store may be away: what is shown stays
  set((s) => ({ executions: s.executions + 1, verdicts: s.verdicts + 1, resyncs: s.resyncs + 1 }));
}

// Everything that the frame shows, as it is now.
export async function read(hasDemo) {
  const kept = (path) => get(path).catch(() => null);
  const [metrics, fleet, demo] = await Promise.all([kept("v1/metrics"), kept("v1/fleet"), hasDemo && kept("v1/demo")]);
  set((s) => ({
    metrics: metrics ?? s.metrics,
    fleet: fleet?.items ?? s.fleet,
    demo: demo || s.demo,
    agents: demo ? byName(demo.agents) : s.agents,
  }));
}

const byName = (agents) => Object.fromEntries((agents ?? []).map((agent) => [agent.name, agent]));

function follow(batch, event) {
  const points = event.done === 1 || !batch ? [] : batch.points;
  return { ...event, points: event.last ? [...points, event.last] : points };
}

export function tick(figures) {
  return {
    at: figures.at ?? Date.now() / 1000,
    hit_rate: figures.hit_rate,
    hit: figures.avg_hit_latency,
    miss: figures.avg_miss_latency,
    speedup: figures.speedup,
    saved: figures.cost_saved,
  };
}
