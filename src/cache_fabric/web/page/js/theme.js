// Light or dark: as the system says, until somebody chooses.

import { html, useState } from "../vendor/preact-htm.js";

const KEY = "cache-fabric-theme";
const root = document.documentElement;

function kept(theme) {
  try {
    if (theme) localStorage.setItem(KEY, theme);
    return localStorage.getItem(KEY);
  } catch {
    return null; // a frame of another site may keep nothing
  }
}

export function themed() {
  root.dataset.theme = kept() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

export function Theme() {
  const [theme, setTheme] = useState(root.dataset.theme);
  const other = theme === "dark" ? "light" : "dark";
  const turn = () => {
    root.dataset.theme = other;
    kept(other);
    setTheme(other);
  };
  return html`<button class="plain" onClick=${turn} aria-label=${`Use the ${other} theme`}>${theme === "dark" ? "☀" : "☾"}</button>`;
}
