// The embeddings that the server knows, page by page: see comfy_nodes/shelf_routes.py.
import { api } from "../../scripts/api.js";

export const PAGE = 30; // more than a screen shows: the first rows wait for all of a page

export async function readPage(search, offset, limit = PAGE) {
  const asked = new URLSearchParams({ search, offset, limit });
  const response = await api.fetchApi(`/ti/embeddings?${asked}`);
  if (!response.ok) throw new Error((await response.json()).error);
  return response.json();
}

// A picture, or the first letter of the name in its place.
export function tile(one) {
  const made = document.createElement(one.picture ? "img" : "i");
  if (one.picture) Object.assign(made, { src: pictureOf(one), alt: "", loading: "lazy" });
  else made.textContent = one.name.slice(0, 1).toUpperCase();
  return made;
}

export function pictureOf(one) {
  if (!one.picture) return "";
  return api.apiURL(`/ti/embeddings/picture?${new URLSearchParams({ key: one.key, t: one.picture })}`);
}
