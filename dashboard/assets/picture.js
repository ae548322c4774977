// The picture with everything that was read on it. It and the answers beside it tell each other, by events of the
// document, which regions are pointed at. All text is set as text.
const SVG = "http://www.w3.org/2000/svg";
const MOST_ZOOM = 12;
const KINDS = {
  components: "box",
  containers: "container",
  steps: "step",
  connections: "connection",
  legend: "legend",
  text: "text",
};
const states = new WeakMap();

function drawn(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

function lineShapes(group, region, unit) {
  const [[x1, y1], [x2, y2]] = region.line;
  const ends = { x1, y1, x2, y2 };
  drawn("line", { class: "reach", ...ends }, group);
  drawn("line", { class: "line", ...ends }, group);
  if (region.directed) {
    const angle = Math.atan2(y2 - y1, x2 - x1);
    const at = (side, back) =>
      `${x2 - back * Math.cos(angle) + side * Math.sin(angle)},${y2 - back * Math.sin(angle) - side * Math.cos(angle)}`;
    drawn("polygon", { class: "head", points: `${x2},${y2} ${at(unit * 5, unit * 11)} ${at(-unit * 5, unit * 11)}` }, group);
  }
  const place = { x: (x1 + x2) / 2, y: (y1 + y2) / 2, "font-size": unit * 13 };
  drawn("text", { class: "sure", ...place }, group).textContent = region.sure;
}

function build(state, data) {
  const view = state.root.querySelector(".view");
  view.replaceChildren();
  const svg = drawn("svg", { preserveAspectRatio: "xMidYMid meet" }, view);
  const size = { width: data.width, height: data.height };
  const image = drawn("image", { ...size, preserveAspectRatio: "none" }, svg);
  image.setAttribute("href", data.image);
  state.svg = svg;
  state.shade = drawn("path", { class: "shade", d: "" }, svg);
  state.regions = new Map();
  // A pixel of the screen, about, where the whole picture is seen.
  const unit = data.width / 900;
  // No outline runs across a badge, as its number could not be read.
  const below = drawn("g", { mask: "url(#beside-badges)" }, svg);
  const mask = drawn("mask", { id: "beside-badges", maskUnits: "userSpaceOnUse", x: 0, y: 0, ...size }, svg);
  drawn("rect", { ...size, fill: "#ffffff" }, mask);
  for (const region of data.regions) {
    const isAbove = region.layer === "steps" || region.layer === "connections";
    const named = { class: "region", "data-layer": region.layer, "data-region": region.id };
    const group = drawn("g", named, isAbove ? svg : below);
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", [KINDS[region.layer], region.label, region.about].filter(Boolean).join(", "));
    if (region.line) {
      lineShapes(group, region, unit);
      group.classList.toggle("unsure", !region.stated);
    } else {
      const [left, top, right, bottom] = region.box;
      const box = { x: left, y: top, width: Math.max(right - left, 1), height: Math.max(bottom - top, 1) };
      drawn("rect", { class: "shape", ...box, rx: 3 * unit }, group);
      if (region.layer === "steps") drawn("rect", { ...box, fill: "#000000" }, mask);
    }
    group.onpointerenter = () => tell(state, [region.id], "hover");
    group.onpointerleave = () => tell(state, [], "hover");
    group.onfocus = () => tell(state, [region.id], "hover");
    group.onblur = () => tell(state, [], "hover");
    group.onclick = () => state.moved || tell(state, state.pinned.join() === region.id ? [] : [region.id], "pin");
    group.onkeydown = (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        event.stopPropagation();
        group.onclick();
      }
    };
    state.regions.set(region.id, { ...region, group });
  }
}

function tell(state, regions, how) {
  document.dispatchEvent(new CustomEvent("lakehelm-regions", { detail: { of: state.of, regions, how } }));
}

function light(state) {
  const wanted = state.hovered.length ? state.hovered : state.pinned;
  const lit = wanted.filter((id) => state.regions.has(id));
  for (const [id, region] of state.regions) {
    region.group.classList.toggle("lit", lit.includes(id));
    region.group.classList.toggle("hidden", !state.layers.has(region.layer) && !lit.includes(id));
  }
  const { width, height } = state.size;
  const holes = lit.map((id) => {
    const [left, top, right, bottom] = state.regions.get(id).box;
    const edge = width / 250;
    return `M${left - edge} ${top - edge}H${right + edge}V${bottom + edge}H${left - edge}Z`;
  });
  state.shade.setAttribute("d", holes.length ? `M0 0H${width}V${height}H0Z${holes.join("")}` : "");
  describe(state, lit);
}

function describe(state, lit) {
  const region = lit.length ? state.regions.get(lit[0]) : null;
  const set = (name, text) => (state.root.querySelector(`.card .${name}`).textContent = text);
  set("kind", region ? KINDS[region.layer] : "");
  set("label", region ? region.label : "");
  const more = lit.length === 2 ? "1 more place" : lit.length > 2 ? `${lit.length - 1} more places` : "";
  set("about", region ? [region.about, more].filter(Boolean).join(" · ") : "");
  closeUp(state, region);
  const ask = state.root.querySelector(".ask");
  ask.hidden = !(region && state.pinned.includes(region.id) && state.mayAsk);
  ask.onclick = () => region && state.trigger("asked", region.id);
}

function closeUp(state, region) {
  // The region as large as can be read, with a little of what is around it.
  const place = state.root.querySelector(".close-up");
  if (state.closeUp === region?.id) return;
  state.closeUp = region?.id;
  place.replaceChildren();
  if (!region) return;
  const [left, top, right, bottom] = region.box;
  const edge = Math.max(Math.max(right - left, bottom - top) * 0.15, state.size.width / 60);
  const seen = `${left - edge} ${top - edge} ${right - left + 2 * edge} ${bottom - top + 2 * edge}`;
  const svg = drawn("svg", { viewBox: seen, preserveAspectRatio: "xMidYMid meet" }, place);
  const image = drawn("image", { ...state.size, preserveAspectRatio: "none" }, svg);
  image.setAttribute("href", state.image);
  drawn("rect", { x: left, y: top, width: right - left, height: bottom - top }, svg);
}

function showBox(state, ids) {
  // A region outside of what is seen is brought into the middle; the picture itself, where the page scrolled past it.
  const region = ids.map((id) => state.regions.get(id)).find(Boolean);
  if (!region) return;
  const [left, top, right, bottom] = region.box;
  const { x, y, width, height } = state.seen;
  if (left < x || top < y || right > x + width || bottom > y + height) {
    move(state, (left + right) / 2 - width / 2, (top + bottom) / 2 - height / 2, width);
  }
  state.root.querySelector(".view").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function move(state, x, y, width) {
  const whole = state.size;
  const wide = Math.min(Math.max(width, whole.width / MOST_ZOOM), whole.width);
  const high = (wide * whole.height) / whole.width;
  const within = (place, length, all) => Math.min(Math.max(place, 0), all - length);
  state.seen = { x: within(x, wide, whole.width), y: within(y, high, whole.height), width: wide, height: high };
  state.svg.setAttribute("viewBox", `${state.seen.x} ${state.seen.y} ${wide} ${high}`);
  state.root.querySelector(".view").classList.toggle("zoomed", wide < whole.width);
  state.root.querySelector('[data-zoom="reset"]').textContent = `${Math.round((100 * whole.width) / wide)} %`;
}

function zoom(state, factor, atX = 0.5, atY = 0.5) {
  const { x, y, width, height } = state.seen;
  const wide = Math.min(Math.max(width / factor, state.size.width / MOST_ZOOM), state.size.width);
  const high = (wide * height) / width;
  move(state, x + (width - wide) * atX, y + (height - high) * atY, wide);
}

function pointing(state) {
  const view = state.root.querySelector(".view");
  let from = null;
  view.onpointerdown = (event) => {
    state.moved = false;
    from = { x: event.clientX, y: event.clientY, seen: state.seen };
  };
  view.onpointermove = (event) => {
    if (!from || state.seen.width >= state.size.width) return;
    const perPixel = state.seen.width / view.clientWidth;
    const [across, down] = [event.clientX - from.x, event.clientY - from.y];
    if (!state.moved && Math.hypot(across, down) < 5) return;
    if (!state.moved) view.setPointerCapture(event.pointerId);
    state.moved = true;
    view.classList.add("moving");
    move(state, from.seen.x - across * perPixel, from.seen.y - down * perPixel, from.seen.width);
  };
  view.onpointerup = view.onpointercancel = () => {
    from = null;
    view.classList.remove("moving");
  };
  view.ondblclick = (event) => {
    const box = view.getBoundingClientRect();
    zoom(state, 2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  view.onwheel = (event) => {
    // With Ctrl, as maps do: without it the wheel scrolls the page.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = view.getBoundingClientRect();
    const factor = event.deltaY < 0 ? 1.25 : 0.8;
    zoom(state, factor, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  view.onkeydown = (event) => {
    const { x, y, width, height } = state.seen;
    const steps = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    const zoomed = width < state.size.width;
    if (event.key === "+" || event.key === "=") zoom(state, 1.5);
    else if (event.key === "-") zoom(state, 1 / 1.5);
    else if (event.key === "0") move(state, 0, 0, state.size.width);
    else if (event.key === "Escape") tell(state, [], "pin");
    else if (steps[event.key] && zoomed) {
      move(state, x + steps[event.key][0] * width, y + steps[event.key][1] * height, width);
    } else return;
    event.preventDefault();
  };
  const buttons = { in: () => zoom(state, 1.5), out: () => zoom(state, 1 / 1.5), reset: () => move(state, 0, 0, Infinity) };
  for (const [name, act] of Object.entries(buttons)) state.root.querySelector(`[data-zoom="${name}"]`).onclick = act;
}

function layerButtons(state, data) {
  const place = state.root.querySelector(".layers");
  place.replaceChildren();
  for (const { id, title, count } of data.layers) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.layer = id;
    button.textContent = `${title} ${count}`;
    button.setAttribute("aria-pressed", String(state.layers.has(id)));
    button.onclick = () => {
      state.layers.has(id) ? state.layers.delete(id) : state.layers.add(id);
      button.setAttribute("aria-pressed", String(state.layers.has(id)));
      light(state);
    };
    place.append(button);
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  if (!data) return;
  let state = states.get(parentElement);
  if (!state) {
    state = { hovered: [], pinned: [], layers: new Set(data.shown), drawn: "" };
    states.set(parentElement, state);
    state.listen = ({ detail }) => {
      if (detail.of !== state.of) return;
      if (detail.how === "pin") {
        state.pinned = detail.regions;
        showBox(state, detail.regions);
      } else state.hovered = detail.regions;
      light(state);
    };
    document.addEventListener("lakehelm-regions", state.listen);
  }
  state.root = parentElement.querySelector(".picture");
  state.trigger = setTriggerValue;
  state.mayAsk = data.may_ask;
  if (state.drawn !== data.drawn) {
    Object.assign(state, { drawn: data.drawn, of: data.of, pinned: [], hovered: [] });
    state.size = { width: data.width, height: data.height };
    state.image = data.image;
    build(state, data);
    pointing(state);
    layerButtons(state, data);
    move(state, 0, 0, data.width);
  }
  light(state);
  return () => {
    document.removeEventListener("lakehelm-regions", state.listen);
    states.delete(parentElement);
  };
}
