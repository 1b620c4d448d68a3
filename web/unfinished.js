// Trainings that can go on, in "Resume" of the training node: the list is current without a reload, and
// the picture of the run that is chosen is shown. Without it, the list is the server's of key R.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const TRAIN = "TI_TrainEmbedding";
const PICTURE = "ti_run";
const ENDS = ["execution_success", "execution_error", "execution_interrupted"];

async function readRuns() {
  const response = await api.fetchApi("/ti/unfinished");
  return response.ok ? (await response.json()).runs : null;
}

function removePicture(node) {
  const at = node.widgets.findIndex((each) => each.name === PICTURE);
  if (at >= 0) node.widgets.splice(at, 1)[0].onRemove?.();
}

function showPicture(node, run) {
  removePicture(node);
  if (!run?.preview) return;
  const picture = new Image();
  picture.alt = run.label;
  picture.src = api.apiURL(`/view?${new URLSearchParams({ ...run.preview, preview: "webp;80" })}`);
  picture.style.objectFit = "contain";
  const options = { serialize: false, getMinHeight: () => 160, getMaxHeight: () => 160 };
  node.addDOMWidget(PICTURE, "TI_RUN", picture, options).serialize = false;
  const size = node.computeSize();
  node.setSize([Math.max(node.size[0], size[0]), Math.max(node.size[1], size[1])]);
}

async function renew(node) {
  const widget = node.widgets?.find((each) => each.name === "resume");
  const runs = widget && (await readRuns());
  if (!runs) return;
  node.tiRuns = runs;
  const always = widget.options.values.filter((each) => !/\)$/.test(each));
  widget.options.values = [...always, ...runs.map((run) => run.label)];
  chosen(node, widget.value);
}

function chosen(node, label) {
  showPicture(node, node.tiRuns?.find((run) => run.label === label));
}

function trainings(graph) {
  const nodes = graph?.nodes ?? [];
  return nodes.flatMap((node) => (node.comfyClass === TRAIN ? [node] : trainings(node.subgraph)));
}

app.registerExtension({
  name: "TextualInversionStudio.Unfinished",
  setup() {
    for (const end of ENDS) api.addEventListener(end, () => trainings(app.graph).forEach(renew));
  },
  nodeCreated(node) {
    const widget = node.comfyClass === TRAIN && node.widgets?.find((each) => each.name === "resume");
    if (!widget) return;
    const changed = widget.callback;
    widget.callback = function (label) {
      chosen(node, label);
      return changed?.apply(this, arguments);
    };
    const configured = node.onConfigure;
    node.onConfigure = function () {
      configured?.apply(this, arguments);
      chosen(this, widget.value);
    };
    renew(node);
  },
});
