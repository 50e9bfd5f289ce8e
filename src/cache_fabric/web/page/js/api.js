// The server: requests that answer with JSON, and the one stream of events.

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message || `the server answered ${status}`);
    this.status = status;
    this.field = error?.field || null;
  }
}

async function ask(method, path, body, headers = {}) {
  const options = { method, headers: { accept: "application/json", ...headers }, credentials: "same-origin" };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, { message: "the server cannot be reached" });
  }
  const text = await response.text();
  let told = null;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    // What stands between us and the server may answer with a page of its own.
  }
  if (!response.ok) throw new Refused(response.status, told?.error);
  const etag = response.headers.get("etag");
  return etag && told ? { ...told, etag } : told;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body, headers) => ask("PUT", path, body, headers);
export const remove = (path) => ask("DELETE", path);
export const name = encodeURIComponent;

export function query(fields) {
  const kept = new URLSearchParams(sought(fields)).toString();
  return kept && `?${kept}`;
}

export const sought = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value != null));

// The token stands behind the # of the printed address: it is never sent by the browser itself.
export async function signIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) {
    history.replaceState(null, "", location.pathname);
    await post("session", { token });
  }
  return get("session");
}

const KINDS = ["lookup", "store", "change", "execution", "feedback", "verdict", "metrics", "fleet", "agent", "batch", "demo", "resync"];

const PATIENCE = 2000; // milliseconds

// The browser itself takes up a stream that broke where it was. It gives up on an answer that is no
// stream: that of a proxy while the server is away, or that the session is over.
export function listen(heard, connected, signedOut) {
  const source = new EventSource("v1/events");
  source.onopen = () => connected(true);
  source.onerror = () => {
    connected(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => again(heard, connected, signedOut), PATIENCE);
  };
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  }
}

async function again(heard, connected, signedOut) {
  try {
    const session = await get("session");
    if (!session.signed_in) return signedOut();
    listen(heard, connected, signedOut);
    return heard("resync", {}); // a stream that begins anew does not tell what was missed
  } catch {
    return setTimeout(() => again(heard, connected, signedOut), PATIENCE);
  }
}
