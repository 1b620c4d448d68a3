// Names of embeddings while `embedding:` is typed, in every prompt field.
import { app } from "../../scripts/app.js";
import { isPromptField, isWriting, replace } from "./prompt_field.js";
import { readPage, tile } from "./shelf.js";

const TYPED = /(^|[\s(])embedding:([^\s()[\]<>]*)$/;
const MOST = 12;
const PATIENCE = 80; // milliseconds between a key and a question
const SOON = 300; // milliseconds until the server is asked again while it reads the files

let box = null; // the list, while it is open
let field = null;
let chosen = 0;
let asked = 0;
let timer = 0;

function close() {
  clearTimeout(timer);
  asked += 1;
  box?.remove();
  box = field = null;
}

function typed(element) {
  const end = element.selectionStart;
  const found = end === element.selectionEnd && TYPED.exec(element.value.slice(0, end));
  return found ? { start: end - found[2].length - "embedding:".length, end, word: found[2] } : null;
}

function onInput(event) {
  if (isWriting() || !isPromptField(event.target) || !typed(event.target)) return close();
  clearTimeout(timer);
  timer = setTimeout(offer, PATIENCE, event.target);
}

async function offer(element) {
  const at = typed(element);
  const mine = ++asked;
  const page = at && (await readPage(at.word, 0, MOST).catch(() => null));
  if (mine !== asked || document.activeElement !== element) return;
  if (page?.looking) {
    timer = setTimeout(offer, SOON, element);
    return;
  }
  const found = page?.embeddings.filter((one) => one.prompt) ?? [];
  if (!found.length) return close();
  open(element, found);
}

function open(element, found) {
  box?.remove();
  field = element;
  box = document.createElement("div");
  box.className = "ti-completion";
  box.setAttribute("role", "listbox");
  box.append(...found.map(line));
  document.body.append(box);
  setPlace(element);
  choose(0);
}

function line(one) {
  const row = document.createElement("div");
  row.setAttribute("role", "option");
  const name = document.createElement("span");
  name.textContent = one.prompt.slice("embedding:".length);
  const about = document.createElement("small");
  about.textContent = one.family;
  row.append(tile(one), name, about);
  row.dataset.text = one.prompt;
  row.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    accept(row);
  });
  return row;
}

function choose(number) {
  const rows = [...box.children];
  chosen = (number + rows.length) % rows.length;
  rows.forEach((row, at) => row.setAttribute("aria-selected", String(at === chosen)));
  rows[chosen].scrollIntoView({ block: "nearest" });
}

function accept(row) {
  const at = typed(field);
  const element = field;
  close();
  if (at) replace(element, at.start, at.end, row.dataset.text);
}

const KEYS = {
  ArrowDown: () => choose(chosen + 1),
  ArrowUp: () => choose(chosen - 1),
  Enter: () => accept(box.children[chosen]),
  Tab: () => accept(box.children[chosen]),
  Escape: close,
};

function onKey(event) {
  if (!box || event.target !== field || event.ctrlKey || event.metaKey || event.isComposing) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  act();
}

// Below the cursor: a copy of the field tells where that is, in a canvas of any zoom.
function setPlace(element) {
  const copy = document.createElement("div");
  const style = getComputedStyle(element);
  for (const name of ["font", "padding", "border", "lineHeight", "letterSpacing", "boxSizing"])
    copy.style[name] = style[name];
  Object.assign(copy.style, { position: "fixed", visibility: "hidden", whiteSpace: "pre-wrap", overflowWrap: "break-word" });
  copy.style.width = `${element.offsetWidth}px`;
  copy.textContent = element.value.slice(0, element.selectionStart);
  const cursor = document.createElement("span");
  cursor.textContent = "\u200b";
  copy.append(cursor);
  document.body.append(copy);
  const frame = element.getBoundingClientRect();
  const scale = frame.width / element.offsetWidth || 1;
  const left = frame.left + cursor.offsetLeft * scale;
  const below = frame.top + (cursor.offsetTop + cursor.offsetHeight - element.scrollTop) * scale;
  copy.remove();
  const top = Math.min(below, frame.bottom) + 4;
  const room = window.innerHeight - top - 8;
  box.style.left = `${Math.max(8, Math.min(left, window.innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${room >= box.offsetHeight ? top : Math.max(8, frame.top - box.offsetHeight - 4)}px`;
}

app.registerExtension({
  name: "TextualInversionStudio.Completion",
  setup() {
    document.addEventListener("input", onInput, true);
    document.addEventListener("keydown", onKey, true);
    document.addEventListener("focusout", (event) => event.target === field && close(), true);
    document.addEventListener("wheel", (event) => box && !box.contains(event.target) && close(), true);
  },
});
