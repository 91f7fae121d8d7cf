// timelines: bars are in the order of the table's rows; positions are percentages, so that zoom is a width
const ZOOMS = [1, 2, 4, 8, 16, 32, 64];
for (const figure of document.querySelectorAll("figure.timeline")) {
  const [svg, scroll] = ["svg.tl-svg", ".tl-scroll"].map((selector) => figure.querySelector(selector));
  const bars = [...svg.querySelectorAll("rect.c")];
  const rows = [...figure.querySelectorAll("tbody tr")];
  const middle = (bar) => parseFloat(bar.getAttribute("x")) + parseFloat(bar.getAttribute("width")) / 2;
  const lane = (bar) => Number(bar.getAttribute("y"));
  const caller = figure.querySelector("thead th:nth-child(2)").textContent;
  let zoom = 1;
  let now = -1;

  function show(index, follow = true) {
    if (index < 0) return;
    for (const element of [bars[now], rows[now]]) element?.classList.remove("now");
    now = index;
    for (const element of [bars[now], rows[now]]) element.classList.add("now");
    const cells = [...rows[now].cells].map((cell) => cell.textContent.trim());
    figure.querySelector(".tl-now").textContent =
      `#${cells[0]} ${caller} ${cells[1]} ${cells[2]} ${cells[3]}, from ${cells[4]}, took ${cells[5]}` +
      (cells[6] ? `, place ${cells[6]} in the order` : "") + (cells[7] ? `, witness ${cells[7]}` : "");
    if (follow) center();
  }
  function center() {
    const at = now < 0 ? 50 : middle(bars[now]);
    scroll.scrollLeft = (at / 100) * scroll.scrollWidth - scroll.clientWidth / 2;
    const box = figure.querySelector(".tl");
    if (now >= 0) box.scrollTop = lane(bars[now]) - box.clientHeight / 2;
  }
  function resize(factor) {
    zoom = factor === 0 ? 1 : Math.min(Math.max(zoom * factor, ZOOMS[0]), ZOOMS.at(-1));
    svg.style.width = `${100 * zoom}%`;
    svg.classList.toggle("z1", zoom >= 4);
    svg.classList.toggle("z2", zoom >= 16);
    center();
  }
  // the bar that is nearest in a direction: along the lane, or in the next lane that has one
  function beside(step) {
    const own = lane(bars[now]);
    const mates = bars.map((_, index) => index).filter((index) => lane(bars[index]) === own);
    mates.sort((a, b) => middle(bars[a]) - middle(bars[b]));
    return mates[mates.indexOf(now) + step] ?? now;
  }
  function across(step) {
    const lanes = [...new Set(bars.map(lane))].sort((a, b) => a - b);
    const target = lanes[lanes.indexOf(lane(bars[now])) + step];
    const found = bars.map((_, index) => index).filter((index) => lane(bars[index]) === target);
    const distance = (index) => Math.abs(middle(bars[index]) - middle(bars[now]));
    return found.length ? found.reduce((best, index) => (distance(index) < distance(best) ? index : best)) : now;
  }
  function witness() {
    const marked = bars.map((_, index) => index).filter((index) => bars[index].classList.contains("w"));
    return marked[(marked.indexOf(now) + 1) % marked.length] ?? now;
  }
  const keys = {
    ArrowRight: () => show(beside(1)), ArrowLeft: () => show(beside(-1)),
    ArrowDown: () => show(across(1)), ArrowUp: () => show(across(-1)),
    Home: () => show(0), End: () => show(bars.length - 1), w: () => show(witness()),
    "+": () => resize(2), "-": () => resize(0.5), 0: () => resize(0),
    Enter: () => {
      figure.querySelector("details").open = true;
      rows[now]?.scrollIntoView({ block: "center" });
    },
  };
  scroll.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || !bars.length) return;
    event.preventDefault();
    if (now < 0 && event.key.startsWith("Arrow")) show(Math.max(witness(), 0));
    else action();
  });
  svg.addEventListener("click", (event) => show(bars.indexOf(event.target), false));
  for (const button of figure.querySelectorAll("button[data-zoom]"))
    button.addEventListener("click", () => resize(Number(button.dataset.zoom)));

  // #op=12 also means the call whose batch has row 12
  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const first = document.querySelector("figure.timeline");
    const row = Number(asked.get("op") ?? NaN);
    if (figure !== (asked.get("in") ? document.getElementById(asked.get("in")) : first) || Number.isNaN(row)) return;
    const inside = (range) => {
      const [low, high] = range.split("-").map(Number);
      return low <= row && row <= (high ?? low);
    };
    const found = bars.findIndex((bar) =>
      (bar.dataset.rows ?? new URLSearchParams(bar.id).get("op")).split(" ").some(inside));
    if (found < 0) return;
    figure.scrollIntoView({ block: "nearest" });
    if (zoom < 8 && bars.length > 100) resize(8 / zoom);
    show(found);
    scroll.focus({ preventScroll: true });
  }
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => resize(0));
  follow();
}
