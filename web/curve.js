// The loss on the training nodes, while they run. The server sends what is to be drawn (comfy_nodes/curve.py), so
// that a page that is opened later shows the same.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { nodeOf, nodesOf, rootGraph } from "./graph.js";
import { addStyle } from "./style.js";
import { word } from "./words.js";

const TRAIN = ["TI_TrainEmbedding", "TI_TrainEmbeddings", "TI_TrainHypernetwork"];
const NAME = "ti_curve";
const HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

class Curve {
  constructor() {
    this.root = document.createElement("div");
    this.root.className = "ti-curve";
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("preserveAspectRatio", "none");
    this.lines = ["ti-curve-losses", "ti-curve-strengths", "ti-curve-drifts", "ti-curve-means"].map((name) => {
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("class", name);
      return line;
    });
    svg.append(...this.lines);
    this.texts = ["high", "low", "last", "first", "end"].map((name) => {
      const text = document.createElement("span");
      text.className = `ti-curve-${name}`;
      return text;
    });
    this.root.append(svg, ...this.texts);
  }

  // Drawn once for each frame of the screen, however many messages come.
  show(curve) {
    if (!this.curve) requestAnimationFrame(() => this.draw());
    this.curve = curve;
  }

  draw() {
    const { steps, losses, means, low, high, strengths, drifts, top } = this.curve;
    this.curve = null;
    const [first, last] = [steps[0], steps[steps.length - 1]];
    const x = (step) => (100 * (step - first)) / (last - first || 1);
    const y = (loss) => 100 * (1 - Math.min(1, Math.max(0, (loss - low) / (high - low || 1))));
    const points = (values) => values.map((value, at) => `${x(steps[at]).toFixed(2)},${y(value).toFixed(2)}`).join(" ");
    const share = ([step, value]) => `${x(Math.max(step, first)).toFixed(2)},${(100 * (1 - value / (top || 1))).toFixed(2)}`;
    const own = (pairs) => pairs.map(share).join(" ");
    const all = [points(losses), own(strengths), own(drifts), points(means)];
    all.forEach((line, at) => this.lines[at].setAttribute("points", line));
    const now = means[means.length - 1].toFixed(4);
    const texts = [short(high), short(low), `${word("loss", "loss")} ${now}`, first, last];
    texts.forEach((text, at) => (this.texts[at].textContent = text));
    const ends = [strengths, drifts].map((pairs) => pairs[pairs.length - 1]?.[1]);
    const names = [word("strength", "strength"), word("drift", "drift")];
    const told = names.map((name, at) => (ends[at] === undefined ? "" : `${name} ${short(ends[at])}`));
    this.root.title = [texts[2], ...told].filter(Boolean).join(", ");
  }
}

function short(value) {
  return Number(value.toPrecision(3)).toString();
}

function curveOn(node) {
  if (node.tiCurve) return node.tiCurve;
  node.tiCurve = new Curve();
  const options = { serialize: false, getMinHeight: () => HEIGHT, getMaxHeight: () => HEIGHT };
  node.addDOMWidget(NAME, "TI_CURVE", node.tiCurve.root, options).serialize = false;
  const size = node.computeSize();
  node.setSize([Math.max(node.size[0], size[0]), Math.max(node.size[1], size[1])]);
  return node.tiCurve;
}

function show(node, curve) {
  if (!TRAIN.includes(node?.comfyClass) || !curve) return;
  curveOn(node).show(curve);
  node.setDirtyCanvas(true, true);
}

async function recall(number, node) {
  const asked = new URLSearchParams({ node: number, workflow: rootGraph()?.id ?? "" });
  const response = await api.fetchApi(`/ti/curve?${asked}`);
  if (response.ok) show(node, (await response.json()).curve);
}

app.registerExtension({
  name: "TextualInversionStudio.Curve",
  setup() {
    addStyle("curve");
    api.addEventListener("ti.curve", ({ detail }) => show(nodeOf(detail.node), detail));
  },
  nodeCreated(node) {
    if (!TRAIN.includes(node.comfyClass)) return;
    const shown = node.onExecuted;
    node.onExecuted = function (message) {
      shown?.apply(this, arguments);
      show(this, message?.ti_curve?.[0]);
    };
  },
  afterConfigureGraph() {
    for (const [number, node] of nodesOf(...TRAIN)) recall(number, node).catch(() => null);
  },
});
