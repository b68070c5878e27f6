// A picture on which heads are clicked: a click adds one, a click on one takes it away.

const RADIUS = 12; // screen pixels within which a click means the head that is there

// Streamlit calls again after every click, with what was saved before it: the clicks here are newer.
const clicked = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  parentElement.querySelector(".stage")?.remove(); // the style sheet beside it stays
  const stage = document.createElement("div");
  stage.className = "stage";
  const picture = document.createElement("img");
  picture.src = data.picture;
  picture.alt = data.name;
  const marks = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  marks.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  marks.setAttribute("role", "application");
  marks.setAttribute("aria-label", "Click a head to mark it, click a mark to take it away");
  stage.append(picture, marks);
  parentElement.append(stage);
  const known = clicked.get(parentElement);
  const points = known?.version === data.version ? known.points : data.points.map((p) => [...p]);
  clicked.set(parentElement, { version: data.version, points });

  function draw() {
    const scale = data.width / Math.max(1, marks.clientWidth);
    marks.replaceChildren(
      ...points.map(([x, y]) => {
        const mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
        mark.setAttribute("cx", x + 0.5);
        mark.setAttribute("cy", y + 0.5);
        mark.setAttribute("r", 5 * scale);
        mark.setAttribute("stroke-width", 2 * scale);
        return mark;
      }),
    );
  }

  marks.addEventListener("click", (event) => {
    const box = marks.getBoundingClientRect();
    const scale = data.width / box.width;
    const x = (event.clientX - box.left) * scale - 0.5;
    const y = (event.clientY - box.top) * scale - 0.5;
    const distances = points.map(([px, py]) => Math.hypot(px - x, py - y));
    const nearest = distances.indexOf(Math.min(...distances));
    if (nearest >= 0 && distances[nearest] < RADIUS * scale) points.splice(nearest, 1);
    else points.push([x, y]);
    draw();
    setStateValue("points", { name: data.name, points });
  });
  const observer = new ResizeObserver(draw);
  observer.observe(marks);
  draw();
  return () => observer.disconnect();
}
