// Times in the site's zone, and the state of the connection.

const formats = new Map();

function format(data, options) {
  const key = JSON.stringify([data.language, data.timezone, options]);
  if (!formats.has(key)) {
    const zone = { ...options, timeZone: data.timezone };
    formats.set(key, new Intl.DateTimeFormat(data.language, zone));
  }
  return formats.get(key);
}

function clockText(data, at) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return format(data, options).format(at);
}

function momentText(data, at) {
  return format(data, {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23",
  }).format(at);
}

function tickText(data, at, stepMs) {
  if (stepMs >= 86400000) return format(data, { month: "short", day: "numeric" }).format(at);
  const seconds = stepMs < 60000 ? { second: "2-digit" } : {};
  return format(data, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...seconds }).format(at);
}

/** The zone's offset from UTC at an instant, milliseconds. */
function zoneOffset(timezone, at) {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
    hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(at);
  const part = Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  return local - Math.floor(at / 1000) * 1000;
}

/** Says plainly when values are not live any more; they stay, greyed, and go on ageing. */
function showConnection(root, banner, text) {
  const lost = !feed.connected && feed.lostAt !== null;
  root.dataset.lost = lost ? "yes" : "no";
  if (lost) {
    const age = duration(text, (feed.now() - feed.lostAt) / 1000);
    setText(banner, say(text, "connection.lost", { age }));
  } else if (feed.connected && !feed.brokerOk) {
    setText(banner, say(text, "connection.no_broker"));
  } else {
    setText(banner, "");
  }
}
