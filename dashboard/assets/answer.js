// An answer in blocks of plain text. Words that name something on the image light up its region on the picture beside
// it, by events of the document. All text is set as text: nothing in an answer becomes a link, a picture or HTML.
const states = new WeakMap();

function made(name, parent, className) {
  const element = document.createElement(name);
  if (className) element.className = className;
  parent?.append(element);
  return element;
}

function addRuns(state, runs, parent) {
  for (const run of runs) {
    if (run.regions) mention(state, run, parent);
    else {
      let place = parent;
      if (run.bold) place = made("strong", place);
      if (run.italic) place = made("em", place);
      if (run.code) place = made("code", place);
      if (run.missing) place = made("span", place, "missing");
      addLines(place, run.text);
      if (run.missing) made("span", parent, "missing-note").textContent = "not found on the image";
    }
  }
}

function addLines(parent, text) {
  text.split("\n").forEach((line, place) => {
    if (place) made("br", parent);
    parent.append(document.createTextNode(line));
  });
}

function mention(state, run, parent) {
  const button = made("button", parent, run.bold ? "mention bold" : "mention");
  button.type = "button";
  button.textContent = run.text;
  button.title = "Show on the picture";
  button.onpointerenter = () => tell(state, run.regions, "hover");
  button.onpointerleave = () => tell(state, [], "hover");
  button.onfocus = () => tell(state, run.regions, "hover");
  button.onblur = () => tell(state, [], "hover");
  button.onclick = () => tell(state, run.regions, "pin");
  state.mentions.push({ button, regions: run.regions });
}

function tell(state, regions, how) {
  document.dispatchEvent(new CustomEvent("lakehelm-regions", { detail: { of: state.of, regions, how } }));
}

function addBlocks(state, blocks, parent) {
  for (const block of blocks) {
    if (block.kind === "heading") addRuns(state, block.runs, made(`h${Math.min(block.level + 2, 5)}`, parent));
    else if (block.kind === "paragraph") addRuns(state, block.runs, made("p", parent));
    else if (block.kind === "quote") addBlocks(state, block.blocks, made("blockquote", parent));
    else if (block.kind === "code") addRuns(state, block.runs, made("pre", parent));
    else if (block.kind === "rule") made("hr", parent);
    else if (block.kind === "table") addTable(state, block.rows, parent);
    else if (block.kind === "list") {
      const list = made(block.start === null ? "ul" : "ol", parent);
      if (block.start > 1) list.start = block.start;
      for (const item of block.items) addBlocks(state, item, made("li", list));
    }
  }
}

function addTable(state, rows, parent) {
  const table = made("table", parent);
  rows.forEach((cells, place) => {
    const row = made("tr", table);
    for (const cell of cells) addRuns(state, cell, made(place ? "td" : "th", row));
  });
}

function showFrom(element) {
  // The newest answer is read from its beginning; only the conversation scrolls, never the page.
  let box = element.parentElement;
  while (box && !/auto|scroll/.test(getComputedStyle(box).overflowY)) box = box.parentElement;
  if (!box || box.dataset.testid === "stMain") return;
  requestAnimationFrame(() => {
    box.scrollTop += element.getBoundingClientRect().top - box.getBoundingClientRect().top - 64;
  });
}

export default function (component) {
  const { data, parentElement } = component;
  if (!data) return;
  let state = states.get(parentElement);
  if (!state) {
    state = { mentions: [] };
    states.set(parentElement, state);
    state.listen = ({ detail }) => {
      if (detail.of !== state.of) return;
      for (const { button, regions } of state.mentions) {
        button.classList.toggle("lit", regions.some((id) => detail.regions.includes(id)));
      }
    };
    document.addEventListener("lakehelm-regions", state.listen);
  }
  const text = JSON.stringify(data.blocks);
  const root = parentElement.querySelector(".answer");
  if (state.text !== text) {
    Object.assign(state, { text, of: data.of, mentions: [] });
    root.replaceChildren();
    addBlocks(state, data.blocks, root);
  }
  if (data.newest && !state.seen) showFrom(parentElement.host ?? root);
  state.seen = true;
  root.querySelectorAll(".writing").forEach((element) => element.classList.remove("writing"));
  if (data.writing) (root.lastElementChild ?? root).classList.add("writing");
  return () => {
    document.removeEventListener("lakehelm-regions", state.listen);
    states.delete(parentElement);
  };
}
