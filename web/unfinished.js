// Trainings that can be resumed, in "Resume" of the training nodes: the list is current without a reload, and
// the picture of the run that is chosen is shown. Without it, the list is the server's of key R.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { nodesOf } from "./graph.js";
import { onChoice, showPicture } from "./picture.js";

const KINDS = { TI_TrainEmbedding: "embedding", TI_TrainEmbeddings: "several", TI_TrainHypernetwork: "hypernetwork" };
const ENDS = ["execution_success", "execution_error", "execution_interrupted"];

async function readRuns(kind) {
  const response = await api.fetchApi("/ti/unfinished");
  return response.ok ? (await response.json()).runs.filter((run) => run.kind === kind) : null;
}

function address(preview) {
  return preview && api.apiURL(`/view?${new URLSearchParams({ ...preview, preview: "webp;80" })}`);
}

function show(node, label) {
  const run = node.tiRuns?.find((each) => each.label === label);
  showPicture(node, address(run?.preview), label);
}

async function renew(node) {
  const widget = node.widgets?.find((each) => each.name === "resume");
  const runs = widget && (await readRuns(KINDS[node.comfyClass]));
  if (!runs) return;
  node.tiRuns = runs;
  const always = widget.options.values.filter((each) => !each.endsWith(")"));
  widget.options.values = [...always, ...runs.map((run) => run.label)];
  show(node, widget.value);
}

app.registerExtension({
  name: "TextualInversionStudio.Unfinished",
  setup() {
    for (const end of ENDS) api.addEventListener(end, () => nodesOf(...Object.keys(KINDS)).forEach(([, node]) => renew(node)));
  },
  nodeCreated(node) {
    if (!(node.comfyClass in KINDS)) return;
    if (onChoice(node, "resume", (label) => show(node, label))) renew(node);
  },
});
