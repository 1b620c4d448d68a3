// Embeddings that were replaced, below the sidebar's list: each can be brought back, and what is there then
// becomes a copy in its place.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { word } from "./words.js";

async function ask(options) {
  const response = await api.fetchApi("/ti/replaced", options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

export class Replaced {
  constructor(changed) {
    this.changed = changed;
    this.root = document.createElement("details");
    this.root.className = "ti-replaced";
    this.head = document.createElement("summary");
    this.rows = document.createElement("div");
    this.root.append(this.head, this.rows);
    this.root.hidden = true;
  }

  async renew() {
    const { replaced } = await ask().catch(() => ({ replaced: [] }));
    this.root.hidden = !replaced.length;
    this.head.textContent = `${word("replaced", "Replaced embeddings")}: ${replaced.length}`;
    this.rows.replaceChildren(...replaced.map((one) => this.row(one)));
  }

  row({ file, told }) {
    const row = document.createElement("p");
    const name = document.createElement("b");
    name.textContent = file;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: word("restore", "Bring back") });
    button.addEventListener("click", () => this.restore(file, button));
    row.append(name, ` ${told} `, button);
    return row;
  }

  async restore(file, button) {
    button.disabled = true;
    const headers = { "Content-Type": "application/json" };
    const sent = ask({ method: "POST", headers, body: JSON.stringify({ file }) });
    const toast = await sent.then(
      (back) => ({ severity: "success", detail: `${back.file}: ${word("restored", "is back")}` }),
      (error) => ({ severity: "error", detail: error.message }),
    );
    app.extensionManager?.toast?.add({ summary: word("replaced", "Replaced embeddings"), life: 4000, ...toast });
    await this.renew();
    this.changed();
  }
}
