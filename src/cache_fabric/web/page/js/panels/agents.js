// Running agents: which revision each serves, how fast it came to it, and what an outage does to them.

import { html } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { count, ms } from "../format.js";
import { did, set, state, use } from "../store.js";
import { Badge, Card, Do, Empty } from "../ui.js";

export function Agents({ demo }) {
  const { outage } = use("outage");
  const stopped = demo && demo.store === "stopped";
  const turn = async () => {
    const now = { at: Date.now(), answered: answered(), unkept: unkept(state.metrics) };
    set({ demo: await post("v1/demo/store", { running: stopped }) });
    set({ outage: stopped ? { ...state.outage, ended: now } : now });
    if (stopped) did("outage");
  };
  const actions = demo && html`<${Do} id="turn" class=${stopped ? "primary" : "danger"} act=${turn}>${stopped ? "Start the store" : "Stop the store"}<//>`;
  return html`<${Card} title="Running agents" id="agents" about="Three processes of their own, each with its live copy of the prompts; “dashboard” is this page's server." actions=${actions}>
    ${stopped && html`<p class="note warn">The store is stopped: every call to it fails, as one to an unreachable server would. Agents go on with what they know, and so does the Playground: try it.</p>`}
    ${outage?.ended && html`<${Outage} of=${outage} />`}
    <${Fleet} />
  <//>`;
}

// The notes in the store, and above them what an agent says of itself while the store is away.
function joined(notes, agents) {
  const here = new Set([...notes.filter((note) => note.alive).map((note) => note.name), ...Object.keys(agents)]);
  const rows = notes.filter((note) => note.alive || !here.has(note.name)); // who came back is not also silent
  for (const agent of Object.values(agents)) {
    const at = rows.findIndex((row) => row.name === agent.name);
    rows.splice(at < 0 ? rows.length : at, 1, { ...rows[at], ...agent });
  }
  return rows.sort((a, b) => a.name.localeCompare(b.name));
}

const answered = () => Object.values(state.agents).reduce((sum, agent) => sum + (agent.answered ?? 0), 0);

// What the last outage did, once it is over: counted, not promised.
function Outage({ of }) {
  const { metrics, agents } = use("metrics", "agents");
  const behind = Object.values(agents).filter((agent) => agent.stale != null).length;
  const lost = unkept(metrics) - of.unkept;
  return html`<p class="note" role="status" id="outage">The store was away for ${ms(of.ended.at - of.at)}. Agents answered ${count(of.ended.answered - of.answered)} times meanwhile. ${behind ? `${count(behind)} agents are catching up.` : "All agents have caught up."} ${lost ? `${count(lost)} answers and runs of that time could not be kept.` : "No prompt, no answer and no run was lost: what was new waited for the store."}</p>`;
}

const unkept = (m) => (m?.answers?.dropped ?? 0) + (m?.executions?.dropped ?? 0);

const useFleet = () => {
  const { fleet, agents, demo } = use("fleet", "agents", "demo");
  const isUnread = demo?.store === "stopped"; // then notes in the store are of before
  return joined(fleet, agents).map((each) => ({ ...each, isUnread: isUnread && !agents[each.name] }));
};

// The fleet in one line: who serves which version, and how soon after it was published.
export function Chips() {
  const fleet = useFleet().filter((agent) => agent.version != null);
  return fleet.length > 0 && html`<div class="row" aria-label="Running agents">${fleet.map((agent) => html`<span key=${`${agent.name}${agent.version}`} class=${`chip ${agent.delay == null ? "" : "flipped"}`} data-chip=${agent.name}>
    <i class=${`dot ${{ good: "on", bypass: "late", bad: "off" }[condition(agent)[0]]}`}></i>${agent.name} v${agent.version}${agent.delay == null ? "" : ` in ${ms(1000 * agent.delay)}`}</span>`)}</div>`;
}

export function Fleet() {
  const fleet = useFleet();
  if (!fleet.length) return html`<${Empty} title="No agent has a name yet">Give a process one with <code>CACHE_FABRIC_AGENT</code> or <code>FabricConfig(agent=…)</code>, and it appears here.<//>`;
  return html`<div class="scroll"><table>
    <thead><tr><th>Agent</th><th class="right">Prompt</th><th class="right hide-s">Revision</th><th class="right">Flipped in</th><th class="right hide-s">Answered</th><th>State</th></tr></thead>
    <tbody>${fleet.map((agent) => html`<tr key=${`${agent.id ?? agent.name}${agent.version}`} class=${agent.version == null || agent.delay == null ? "" : "fresh"} data-agent=${agent.name}>
      <td class="name"><strong>${agent.name}</strong></td><td class="right">${agent.version == null ? "–" : `v${agent.version}`}</td><td class="right hide-s">${count(agent.revision)}</td>
      <td class="right">${ms(agent.delay == null ? null : 1000 * agent.delay)}</td><td class="right hide-s">${count(agent.answered)}</td>
      <td><${Badge} kind=${condition(agent)[0]}>${condition(agent)[1]}<//></td></tr>`)}</tbody></table></div>`;
}

function condition(agent) {
  if (agent.isUnread) return ["bypass", "not heard of"];
  if (!agent.alive) return ["bad", "silent"];
  if (agent.stale != null) return ["bypass", `stale ${Math.floor(agent.stale)} s`];
  return ["good", "current"];
}
