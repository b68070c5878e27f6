// Points in a picture: fractions of its width and height, at four decimals.

const DIGITS = 1e4;
const MINIMUM_CORNERS = 3;

function fraction(value) {
  return Math.round(Math.min(1, Math.max(0, value)) * DIGITS) / DIGITS;
}

function point(x, y) {
  return [fraction(x), fraction(y)];
}

/** Points moved together, as far as the picture reaches. */
function shifted(points, dx, dy) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const bounded = (d, values) => Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), d));
  const [right, down] = [bounded(dx, xs), bounded(dy, ys)];
  return points.map(([x, y]) => point(x + right, y + down));
}

function middle([x1, y1], [x2, y2]) {
  return point((x1 + x2) / 2, (y1 + y2) / 2);
}

function centre(points) {
  const mean = (index) => points.reduce((sum, each) => sum + each[index], 0) / points.length;
  return [mean(0), mean(1)];
}

/** An id made from a name: a-z, 0-9 and -, not one of those taken. */
function idFor(name, taken, fallback) {
  const plain = name.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const stem = plain.replace(/^-+|-+$/g, "").slice(0, 50).replace(/-+$/, "") || fallback;
  let id = stem;
  for (let number = 2; taken.includes(id); number += 1) id = `${stem}-${number}`;
  return id;
}
