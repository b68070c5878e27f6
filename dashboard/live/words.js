// Numbers, ages and levels as people read them. Every word comes from the catalogue in `text`.

const LEVEL_RANK = {
  critical: 6, warning: 5, unknown: 4, unrated: 3, watch: 2, normal: 1, none: 0,
};

function say(text, key, values = {}) {
  return (text[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/**
 * The level to show for a camera or zone. On screen there are three more: `unknown`; `unrated`, a
 * count whose level is not known because the alerts service is silent; `none`, no levels are set.
 */
function shownLevel(value, status, hasLevels) {
  if (status !== "ok") return "unknown";
  return value.level ?? (hasLevels ? "unrated" : "none");
}

function hasLevels(zone) {
  return Object.keys(zone.thresholds).length > 0;
}

function people(value) {
  if (value === null || value === undefined) return "–";
  return Math.round(value).toLocaleString("en");
}

function interval(low, high) {
  if (low === null || low === undefined) return "";
  return `${people(low)}–${people(high)}`;
}

function perSquareMetre(value) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(value < 1 ? 2 : 1);
}

/** An age such as `3 s`, `4 min` or `2 h`. */
function duration(text, seconds) {
  if (seconds < 90) return say(text, "age.seconds", { n: Math.max(0, Math.floor(seconds)) });
  if (seconds < 5400) return say(text, "age.minutes", { n: Math.round(seconds / 60) });
  if (seconds < 172800) return say(text, "age.hours", { n: Math.round(seconds / 3600) });
  return say(text, "age.days", { n: Math.round(seconds / 86400) });
}

function ageText(text, at, now) {
  if (at === null || at === undefined) return say(text, "age.never");
  return say(text, "age.ago", { age: duration(text, (now - at) / 1000) });
}

/** Rising, falling or steady: the last half minute against the two minutes before. */
function trend(points, now) {
  const mean = (from, to) => {
    const inside = points.filter(([at, n]) => n !== null && at > now - from && at <= now - to);
    if (inside.length < 3) return null;
    return inside.reduce((sum, [, n]) => sum + n, 0) / inside.length;
  };
  const recent = mean(30000, 0);
  const before = mean(150000, 30000);
  if (recent === null || before === null) return null;
  const change = recent - before;
  if (Math.abs(change) < Math.max(2, 0.1 * before)) return "steady";
  return change > 0 ? "rising" : "falling";
}

// Elements: a tag, a class and children; text is always set as text, never as HTML.
function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null));
  return node;
}

function setText(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/** A chip's level: its colour and shape come from the stylesheet, its word from the catalogue. */
function setLevel(chip, level, text) {
  if (chip.dataset.level === level) return;
  chip.dataset.level = level;
  setText(chip, say(text, `level.${level}`));
}

/** A row of buttons of which one is pressed. */
function choice(label, options, chosen, onChoose) {
  const group = element("div", "choice");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  for (const [key, words] of options) {
    const button = newButton(words, "", () => {
      for (const other of group.children) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      onChoose(key);
    });
    button.dataset.key = key;
    button.setAttribute("aria-pressed", String(key === chosen));
    group.append(button);
  }
  return group;
}

function newButton(words, className, onPressed) {
  const button = element("button", className, words);
  button.type = "button";
  button.addEventListener("click", onPressed);
  return button;
}

const SVG = "http://www.w3.org/2000/svg";

function svgElement(tag, attributes = {}, words = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (words) node.textContent = words;
  return node;
}

/** Whether Streamlit shows the page `light` or `dark`. */
function themeOf(root) {
  const probe = getComputedStyle(root).getPropertyValue("--st-background-color").trim();
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = probe || "#000";
  const [r, g, b] = canvas.fillStyle.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 128 ? "light" : "dark";
}
