// Pictures and captions from one's own disk become a folder in ComfyUI's input folder: by the button of the node
// Training Dataset (folder), or dropped on it. They go the way of ComfyUI's own uploads.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { word } from "./words.js";

const NODE = "TI_DatasetFromFolder";
const CAPTIONS = /\.(txt|caption)$/i;
const ACCEPTED = "image/*,.txt,.caption";

function stem(name) {
  return name.replace(/\.[^.]*$/, "");
}

async function send(file, name, subfolder, overwrite) {
  const body = new FormData();
  body.append("image", file, name);
  body.append("type", "input");
  body.append("subfolder", subfolder);
  if (overwrite) body.append("overwrite", "true");
  const response = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return (await response.json()).name;
}

// A picture that gets another name, since there is a different one, takes its caption along.
async function sendAll(files, folder, tell) {
  const names = new Map();
  const sorted = [...files].sort((a, b) => CAPTIONS.test(a.name) - CAPTIONS.test(b.name));
  for (const [done, file] of sorted.entries()) {
    tell(`${word("uploading", "Uploading")} ${done + 1}/${sorted.length}`);
    if (CAPTIONS.test(file.name)) {
      const name = (names.get(stem(file.name)) ?? stem(file.name)) + file.name.slice(stem(file.name).length);
      await send(file, name, folder, true);
    } else {
      names.set(stem(file.name), stem(await send(file, file.name, folder, false)));
    }
  }
}

async function folderFor(node) {
  const title = word("upload", "Upload images");
  const message = word("folder", "New or existing folder in ComfyUI's input folder");
  const dialog = app.extensionManager?.dialog;
  const defaultValue = "my-pictures";
  const name = dialog?.prompt ? await dialog.prompt({ title, message, defaultValue }) : prompt(message, defaultValue);
  return (name ?? "").trim().replace(/\\/g, "/").replace(/^\/+|\/+$/g, "");
}

function choose(node, folder) {
  const widget = node.widgets.find((each) => each.name === "folder");
  const known = widget.options.values.filter((each) => !each.startsWith("(make"));
  widget.options.values = [...new Set([folder, ...known])].sort();
  widget.value = folder;
  widget.callback?.(folder);
  node.setDirtyCanvas(true, true);
}

async function upload(node, button, files) {
  const folder = files.length ? await folderFor(node) : "";
  if (!folder) return;
  const label = button.label ?? button.name;
  try {
    await sendAll(files, folder, (text) => {
      button.label = text;
      node.setDirtyCanvas(true, true);
    });
    choose(node, folder);
  } catch (error) {
    const summary = word("upload", "Upload images");
    app.extensionManager?.toast?.add({ severity: "error", summary, detail: error.message, life: 8000 });
  }
  button.label = label;
  node.setDirtyCanvas(true, true);
}

function pick(found) {
  const field = document.createElement("input");
  Object.assign(field, { type: "file", multiple: true, accept: ACCEPTED });
  field.addEventListener("change", () => found([...field.files]));
  field.click();
}

function usable(file) {
  return file.type.startsWith("image/") || CAPTIONS.test(file.name);
}

app.registerExtension({
  name: "TextualInversionStudio.Upload",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    const label = word("upload", "Upload images");
    const button = node.addWidget("button", label, null, () => pick((files) => upload(node, button, files)));
    button.serialize = false;
    button.options.serialize = false;
    node.onDragOver = (event) => [...(event.dataTransfer?.items ?? [])].some((each) => each.kind === "file");
    node.onDragDrop = (event) => {
      const files = [...event.dataTransfer.files].filter(usable);
      if (files.length) upload(node, button, files);
      return files.length > 0;
    };
  },
});
