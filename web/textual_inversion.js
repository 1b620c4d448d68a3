// Buttons on the training nodes, and the text that our nodes show. Everything works without them:
// the buttons post to /ti/runs, as any program can.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { numberOf } from "./graph.js";
import { readWords, word } from "./words.js";

const PREFIX = "TI_";
const TRAIN = ["TI_TrainEmbedding", "TI_TrainEmbeddings", "TI_TrainHypernetwork"];
const BUTTONS = [
  ["finish", "Finish now and keep"],
  ["preview", "Preview now"],
  ["save", "Save a copy now"],
];

async function ask(node, action) {
  const response = await api.fetchApi("/ti/runs", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ action, node: numberOf(node) }),
  });
  if (!response.ok) {
    const detail = (await response.json()).error;
    app.extensionManager?.toast?.add({ severity: "info", summary: "Textual Inversion", detail, life: 4000 });
  }
}

function addButtons(node) {
  for (const [action, label] of BUTTONS) {
    const button = node.addWidget("button", word(action, label), null, () => ask(node, action));
    button.serialize = false;
    button.options.serialize = false;
  }
}

function showText(node, text) {
  let widget = node.widgets?.find((each) => each.name === "ti_text");
  if (!widget) {
    widget = app.widgets.STRING(node, "ti_text", ["STRING", { multiline: true }], app).widget;
    widget.serialize = false;
    widget.options.serialize = false;
    widget.inputEl?.setAttribute("readonly", "true");
    if (widget.inputEl) widget.inputEl.style.opacity = 0.75;
  }
  widget.value = text;
  const size = node.computeSize();
  node.setSize([Math.max(node.size[0], size[0]), Math.max(node.size[1], size[1])]);
}

function removeWidget(node, name) {
  const at = node.widgets?.findIndex((each) => each.name === name) ?? -1;
  if (at >= 0) node.widgets.splice(at, 1)[0].onRemove?.();
}

// At the end of a training the front end would continue to show the last live preview instead of all of
// them, and ComfyUI's progress text, which newer front ends take away when the graph is done.
function endProgress(node) {
  for (const key of [String(node.id), `${node.graph?.id}:${node.id}`]) delete app.nodePreviewImages?.[key];
  removeWidget(node, "$$node-text-preview");
}

app.registerExtension({
  name: "TextualInversionStudio",
  init: readWords,
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith(PREFIX)) return;
    const isTraining = TRAIN.includes(node.comfyClass);
    if (isTraining) {
      addButtons(node);
      node.onExecutionStart = () => removeWidget(node, "ti_text"); // the progress text's place
    }
    const shown = node.onExecuted;
    node.onExecuted = function (message) {
      shown?.apply(this, arguments);
      if (isTraining) endProgress(this);
      const text = message?.text?.[0];
      if (typeof text === "string" && text) showText(this, text);
    };
  },
});
