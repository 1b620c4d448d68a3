// The picture of the embedding that the node Embedding or Load Embedding has chosen.
import { app } from "../../scripts/app.js";
import { onChoice, showPicture } from "./picture.js";
import { pictureOf, readPage } from "./shelf.js";

const PICKERS = ["TI_Embedding", "TI_LoadEmbedding"];

async function show(node, file) {
  node.tiFile = file;
  const page = await readPage(String(file), 0, 20).catch(() => null);
  if (node.tiFile !== file) return; // another one was chosen meanwhile
  const one = page?.embeddings.find((each) => each.key.split("#")[0] === file);
  showPicture(node, one && pictureOf(one), file);
}

app.registerExtension({
  name: "TextualInversionStudio.Pictures",
  nodeCreated(node) {
    if (!PICKERS.includes(node.comfyClass)) return;
    const widget = onChoice(node, "file", (file) => show(node, file));
    if (widget) show(node, widget.value);
  },
});
