// A sparkline: the counts of the last five minutes, gaps left open.

const SPARK_SPAN_AT_LEAST_MS = 60000;

/** Runs of consecutive known points. */
function runs(points, valueOf) {
  const found = [];
  let open = null;
  for (const point of points) {
    if (valueOf(point) === null || valueOf(point) === undefined) {
      open = null;
    } else {
      if (!open) found.push((open = []));
      open.push(point);
    }
  }
  return found;
}

class Spark {
  constructor(text) {
    this.svg = svgElement("svg", {
      class: "spark", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img",
      "aria-label": say(text, "wall.spark"),
    });
    this.area = svgElement("path", { class: "spark-area" });
    this.line = svgElement("path", { class: "spark-line", "vector-effect": "non-scaling-stroke" });
    this.svg.append(this.area, this.line);
  }

  draw(points, now) {
    const top = Math.max(4, ...points.map(([, count]) => count ?? 0)) * 1.1;
    // Soon after a start the little there is fills the width.
    const known = points.length ? now - points[0][0] : 0;
    const span = Math.min(RECENT_SPAN_MS, Math.max(SPARK_SPAN_AT_LEAST_MS, known));
    const x = (at) => (100 * (1 - (now - at) / span)).toFixed(2);
    const y = (count) => (40 - 38 * (count / top)).toFixed(2);
    let line = "";
    let area = "";
    for (const run of runs(points, (point) => point[1])) {
      const path = run.map(([at, count]) => `${x(at)} ${y(count)}`).join("L");
      line += `M${path}`;
      area += `M${x(run[0][0])} 40L${path}L${x(run[run.length - 1][0])} 40Z`;
    }
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}
