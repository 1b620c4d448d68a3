// Our buttons' and tabs' texts in the front end's language (locales/*/main.json).
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

let found = null;

async function read() {
  const response = await api.fetchApi("/i18n");
  const language = app.extensionManager?.setting?.get?.("Comfy.Locale") ?? "en";
  return (response.ok && (await response.json())[language]?.textualInversion) || {};
}

let words = {};

export async function readWords() {
  found ??= read();
  words = await found;
}

export function word(key, english) {
  return words[key] ?? english;
}
