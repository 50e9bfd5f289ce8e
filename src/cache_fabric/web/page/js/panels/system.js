// The machinery: what is kept where, what waits, what is away, how far behind.

import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { get } from "../api.js";
import { useAsked } from "../asked.js";
import { ago, count, ms, percent } from "../format.js";
import { use } from "../store.js";
import { Badge, Card, Empty, Facts, Trouble } from "../ui.js";

export function System() {
  const { metrics: m, fleet } = use("metrics", "fleet");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTurn((n) => n + 1), 2000);
    return () => clearInterval(timer);
  }, []);
  const { value, error } = useAsked(() => get("v1/system"), [], turn);
  if (!value) return error ? html`<${Trouble} error=${error} />` : html`<${Card} title="System"><${Empty} title="Asking the server">One moment.<//><//>`;
  const { backends: b, standing: s } = value;
  const newest = Math.max(s.revision ?? 0, ...fleet.map((agent) => agent.revision));
  return html`<${Trouble} error=${error} /><div class="grid2 wide">
    <${Card} title="Parts"><${Facts} rows=${[
      ["Store", html`${b.store} <${Part} of=${b} name="store" />`],
      ["Index", html`${b.index} <${Part} of=${b} name="index" />`],
      ["Embedder", html`${b.embedder} <${Part} of=${b} name="embedder" />`],
      ["Acknowledged writes survive", { memory: "nothing", process: "the end of a process", disk: "a power cut" }[b.durability] ?? b.durability],
      ["Policy", s.budget == null ? value.policy : `${value.policy}: at most ${percent(100 * s.budget)} wrong`],
    ]} /><//>
    <${Card} title="Contexts"><${Facts} rows=${[
      ["Change log", s.connected == null ? "not read yet" : html`<${Badge} kind=${s.connected ? "good" : "bad"}>${s.connected ? "followed" : "lost"}<//>`],
      ["Revision served", count(s.revision)],
      ["Behind the newest of the fleet", s.revision == null ? "–" : count(newest - s.revision)],
      ["Known to be current", b.age == null ? "–" : `${ms(1000 * b.age)} ago`],
      ["In quarantine", count(s.quarantined)],
      ["Pinned", count(s.pinned)],
    ]} /><//>
    <${Card} title="What waits"><${Facts} rows=${[
      ["Answers to be written", count(b.queued)],
      ["Runs to be written", count(s.queued)],
      ["A run was written", ago(s.wrote_at)],
      ["Answers dropped", count(m?.answers?.dropped ?? 0)],
      ["Runs dropped", count(m?.executions?.dropped ?? 0)],
      ["Lookups that a fault made misses", faults(m?.degraded)],
    ]} /><//>
    <${Card} title="This server"><${Facts} rows=${[["Cache Fabric", value.version], ["Python", value.python], ["Namespace", value.namespace]]} /><//>
  </div>`;
}

const Part = ({ of, name }) => html`<${Badge} kind=${of.left_alone.includes(name) ? "bad" : "good"}>${of.left_alone.includes(name) ? "left alone after failures" : "in use"}<//>`;

const faults = (degraded) => Object.entries(degraded ?? {}).map(([part, number]) => `${part} ${count(number)}`).join(", ") || "none";
