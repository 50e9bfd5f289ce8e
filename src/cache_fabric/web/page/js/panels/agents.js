// Running agents: which revision each serves, how fast it came to it, and what an outage does to them.

import { html } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { count, ms } from "../format.js";
import { did, use } from "../store.js";
import { Badge, Card, Do, Empty } from "../ui.js";

export function Agents({ demo }) {
  const stopped = demo && demo.store === "stopped";
  const turn = async () => {
    await post("v1/demo/store", { running: stopped });
    if (stopped) did("outage");
  };
  const actions = demo && html`<${Do} class=${stopped ? "primary" : "danger"} act=${turn}>${stopped ? "Start the store" : "Stop the store"}<//>`;
  return html`<${Card} title="Running agents" about="Processes of their own, each with its live copy of the prompts." actions=${actions}>
    ${stopped && html`<p class="note warn">The store is stopped: every call to it fails, as one to an unreachable server would. Agents go on with what they know.</p>`}
    <${Fleet} />
  <//>`;
}

// The notes in the store, and above them what an agent says of itself while the store is away.
function joined(fleet, agents) {
  const told = new Map(fleet.map((each) => [each.name, each]));
  for (const agent of Object.values(agents)) {
    told.set(agent.name, { ...told.get(agent.name), ...agent });
  }
  return [...told.values()].sort((a, b) => a.name.localeCompare(b.name));
}

export function Fleet() {
  const { fleet: notes, agents } = use("fleet", "agents");
  const fleet = joined(notes, agents);
  if (!fleet.length) return html`<${Empty} title="No agent has a name yet">Give a process one with <code>CACHE_FABRIC_AGENT</code> or <code>FabricConfig(agent=…)</code>, and it appears here.<//>`;
  return html`<div class="scroll"><table>
    <thead><tr><th>Agent</th><th class="right">Prompt</th><th class="right">Revision</th><th class="right">Flipped within</th><th class="right">Answered</th><th>State</th></tr></thead>
    <tbody>${fleet.map((agent) => html`<tr key=${`${agent.name}${agent.revision}`} class=${agent.delay == null ? "" : "fresh"} data-agent=${agent.name}>
      <td><strong>${agent.name}</strong></td><td class="right">${agent.version == null ? "–" : `v${agent.version}`}</td><td class="right">${count(agent.revision)}</td>
      <td class="right">${ms(agent.delay == null ? null : 1000 * agent.delay)}</td><td class="right">${count(agent.answered)}</td>
      <td><${Badge} kind=${condition(agent)[0]}>${condition(agent)[1]}<//></td></tr>`)}</tbody></table></div>`;
}

function condition(agent) {
  if (!agent.alive) return ["bad", "silent"];
  if (agent.stale != null) return ["bypass", `stale ${Math.floor(agent.stale)} s`];
  return ["good", "current"];
}
