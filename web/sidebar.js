// The sidebar tab "Embeddings": all of them with pictures. A click writes the word at the cursor of the
// prompt field that was used last; it can be dragged there, too. Only the rows that are seen exist.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { DRAGGED, watchFields, write } from "./prompt_field.js";
import { PAGE, readPage, tile } from "./shelf.js";
import { Replaced } from "./replaced.js";
import { addStyle } from "./style.js";
import { readWords, word } from "./words.js";

const ROW = 76; // pixels of a row's height, as in embeddings.css
const AHEAD = 4; // rows above and below those that are seen
const SOON = 400; // milliseconds until a folder that is being looked at is requested again

class Shelf {
  constructor(root) {
    this.pages = new Map(); // number → its embeddings, or the promise of them
    this.search = "";
    this.total = 0;
    this.asked = 0;
    this.build(root);
    this.renew().then(() => this.replaced.renew()); // the list comes first
  }

  build(root) {
    root.classList.add("ti-shelf");
    this.field = document.createElement("input");
    Object.assign(this.field, { type: "search", placeholder: word("search", "Search embeddings") });
    this.field.setAttribute("aria-label", this.field.placeholder);
    this.field.addEventListener("input", () => this.find(this.field.value));
    this.told = document.createElement("p");
    this.told.setAttribute("role", "status");
    this.list = document.createElement("div");
    this.list.className = "ti-shelf-list";
    this.list.addEventListener("scroll", () => this.paint());
    this.room = document.createElement("div"); // as high as all rows together
    this.list.append(this.room);
    this.skipped = document.createElement("details");
    this.replaced = new Replaced(() => this.renew());
    root.replaceChildren(this.field, this.told, this.list, this.skipped, this.replaced.root);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.list);
    this.onEnd = () => {
      this.renew();
      this.replaced.renew();
    };
    api.addEventListener("execution_success", this.onEnd);
  }

  destroy() {
    this.watch.disconnect();
    clearTimeout(this.timer);
    api.removeEventListener("execution_success", this.onEnd);
    this.asked += 1;
  }

  find(search) {
    this.search = search;
    this.list.scrollTop = 0;
    this.renew();
  }

  async renew() {
    clearTimeout(this.timer);
    const mine = ++this.asked;
    const first = await readPage(this.search, 0).catch((error) => ({ error: error.message }));
    if (mine !== this.asked) return;
    this.pages = new Map([[0, first.embeddings ?? []]]);
    this.total = first.total ?? 0;
    this.tell(first);
    this.room.style.height = `${this.total * ROW}px`;
    this.paint();
    if (first.looking) this.timer = setTimeout(() => this.renew(), SOON);
  }

  tell(page) {
    const none = this.total ? "" : word("none", "no embeddings are found");
    this.told.textContent = page.error ?? (page.looking ? word("looking", "looking …") : none || String(this.total));
    const skipped = page.skipped ?? [];
    this.skipped.hidden = !skipped.length;
    const head = document.createElement("summary");
    head.textContent = `${word("skipped", "Skipped files")}: ${skipped.length}`;
    this.skipped.replaceChildren(head, ...skipped.map(reason));
  }

  async page(number) {
    if (!this.pages.has(number)) {
      const mine = this.asked;
      const asked = readPage(this.search, number * PAGE).then((found) => found.embeddings);
      this.pages.set(number, asked);
      const found = await asked.catch(() => null);
      if (mine !== this.asked) return;
      if (found) this.pages.set(number, found);
      else this.pages.delete(number);
      this.paint();
    }
  }

  paint() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - AHEAD);
    const last = Math.min(this.total, Math.ceil((this.list.scrollTop + this.list.clientHeight) / ROW) + AHEAD);
    const rows = [];
    for (let at = first; at < last; at += 1) {
      const page = this.pages.get(Math.floor(at / PAGE));
      if (Array.isArray(page) && page[at % PAGE]) rows.push(this.row(page[at % PAGE], at));
      else if (!page) this.page(Math.floor(at / PAGE));
    }
    this.room.replaceChildren(...rows);
  }

  row(one, at) {
    const old = [...this.room.children].find((each) => each.one === one);
    const row = old ?? made(one);
    row.one = one;
    row.style.top = `${at * ROW}px`;
    return row;
  }
}

function reason({ file, reason }) {
  const line = document.createElement("p");
  const name = document.createElement("b");
  name.textContent = file;
  line.append(name, ` ${reason}`);
  return line;
}

function made(one) {
  const row = document.createElement("button");
  row.type = "button";
  row.className = "ti-shelf-row";
  row.title = one.prompt ?? "";
  if (one.prompt === "") row.title = word("unreachable", "no prompt reaches it; use Load Embedding and Apply Embedding");
  const about = document.createElement("span");
  const name = document.createElement("b");
  name.textContent = one.name;
  about.append(name, ...facts(one));
  row.append(tile(one), about);
  row.draggable = Boolean(one.prompt);
  row.disabled = !one.prompt;
  row.addEventListener("click", () => use(one.prompt));
  row.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData(DRAGGED, one.prompt);
    event.dataTransfer.setData("text/plain", one.prompt);
    event.dataTransfer.effectAllowed = "copy";
  });
  return row;
}

function facts(one) {
  if (one.family === undefined) return [];
  const strength = one.strength === null ? "" : `${word("strength", "strength")} ${one.strength} (${one.verdict})`;
  const trigger = one.trigger && one.trigger !== one.name ? `“${one.trigger}”` : "";
  const steps = one.step ? `${word("step", "step")} ${one.step}` : "";
  return [
    [one.family, `${one.vectors} ${word("vectors", "vector(s)")}`, steps],
    [strength, trigger, one.base_model],
  ].map((parts) => {
    const line = document.createElement("small");
    line.textContent = parts.filter(Boolean).join(" · ");
    return line;
  });
}

async function use(text) {
  if (write(text)) return;
  await navigator.clipboard?.writeText(text).catch(() => null);
  const detail = word("nowhere", "click into a prompt first; the word is in the clipboard");
  app.extensionManager?.toast?.add({ severity: "info", summary: text, detail, life: 4000 });
}

let shelf = null;

app.registerExtension({
  name: "TextualInversionStudio.Sidebar",
  async setup() {
    addStyle("embeddings");
    watchFields();
    await readWords();
    const title = word("embeddings", "Embeddings");
    app.extensionManager?.registerSidebarTab?.({
      id: "textual-inversion-embeddings",
      icon: "pi pi-bookmark",
      title,
      label: word("tab", "Embeds"), // newer front ends have room for a short word
      tooltip: title,
      type: "custom",
      render(root) {
        shelf?.destroy();
        shelf = new Shelf(root);
      },
      destroy() {
        shelf?.destroy();
        shelf = null;
      },
    });
  },
});
