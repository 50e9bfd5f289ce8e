// One click on an answer. A bad word takes it out of service; every process hears of it.

import { html, useState } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { set } from "../store.js";
import { Badge, Do, Thumb } from "../ui.js";

const SAID = { quarantined: "taken out of service", confirmed: "confirmed", pinned: "pinned", held: "waits for others to agree", none: "noted" };

export function Thumbs({ execution, entry }) {
  const [said, setSaid] = useState(null);
  const send = (rating) => async () => {
    const told = await post("v1/feedback", { execution_id: execution, user_rating: rating });
    if (rating <= 2) set({ blamed: entry });
    setSaid({ rating, actions: told.effects.map((effect) => effect.action) });
  };
  if (said) {
    const words = [...new Set(said.actions)].map((action) => SAID[action] || action).join(", ") || "noted";
    return html`<span role="status"><${Badge} kind=${said.rating > 2 ? "good" : "bad"}>${words}<//></span>`;
  }
  return html`<span class="row"><${Do} class="plain" aria-label="This answer is right" title="Right" act=${send(5)}><${Thumb} /><//>
    <${Do} class="plain danger" aria-label="This answer is wrong" title="Wrong" act=${send(1)}><${Thumb} down=${true} /><//></span>`;
}
