// How figures are written. Unknown is a dash, never a 0.

const DASH = "–";
const number = new Intl.NumberFormat("en-US");
const fixed = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const count = (value) => (value == null ? DASH : number.format(value));
export const percent = (value) => (value == null ? DASH : `${fixed(value, 1)} %`);
export const share = (value) => (value == null ? DASH : fixed(value, 3));
export const times = (value) => (value == null ? DASH : `${fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0)}×`);

export function ms(value) {
  if (value == null) return DASH;
  if (value >= 1000) return `${fixed(value / 1000, 2)} s`;
  return `${fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

export function dollars(value) {
  if (value == null) return DASH;
  const size = Math.abs(value);
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
  return `${value < 0 ? "−" : ""}$${fixed(size, digits)}`;
}

const seconds = (at) => (typeof at === "number" ? at : Date.parse(at) / 1000);

export function ago(at) {
  if (at == null) return DASH;
  const past = Math.max(0, Date.now() / 1000 - seconds(at));
  if (past < 1) return "now";
  if (past < 60) return `${Math.floor(past)} s ago`;
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  return `${Math.floor(past / 86400)} d ago`;
}

export const clock = (at) => (at == null ? DASH : new Date(seconds(at) * 1000).toLocaleTimeString([], { hour12: false }));

export function text(value) {
  if (value == null) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

export const cut = (all, most) => (all.length > most ? `${all.slice(0, most)}…` : all);

// One line of a table; JSON of a question or an answer is its words.
export const line = (value, nothing = DASH) => cut(cut(text(value?.question ?? value?.text ?? value), 1000).replace(/\s+/g, " "), 160) || nothing;
