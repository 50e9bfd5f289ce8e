"""How well the text of a page stands out, by the formula of WCAG 2."""

from __future__ import annotations

from playwright.sync_api import Page

__all__ = ["faint_texts"]


def faint_texts(page: Page) -> list[str]:
    """Return the texts below 4.5 to 1 (3 to 1 where they are large), with what they have."""
    found: list[str] = page.evaluate(_FAINT)
    return found


_FAINT = """() => {
  const UNREAD = 'noscript, .unseen, .skip, :disabled';
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], ground) => [r, g, b].map((each, n) => each * a + ground[n] * (1 - a));
  const light = (colour) => {
    const [r, g, b] = colour.map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (each) => {
    const own = parts(getComputedStyle(each).backgroundColor);
    if (own[3] === 1) return own.slice(0, 3);
    return over(own, each.parentElement ? ground(each.parentElement) : [255, 255, 255]);
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const each = node.parentElement;
    const style = getComputedStyle(each);
    if (!node.data.trim() || !each.checkVisibility() || each.closest(UNREAD)) continue;
    const below = ground(each);
    const ink = each.closest('svg') ? style.fill : style.color;
    const pair = [light(over(parts(ink), below)), light(below)].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (contrast < least) faint.push(`${contrast.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
  }
  return [...new Set(faint)];
}"""
