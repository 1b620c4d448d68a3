// A stylesheet of ours, once.
export function addStyle(name) {
  const href = new URL(`./${name}.css`, import.meta.url).href;
  if ([...document.head.querySelectorAll("link")].some((each) => each.href === href)) return;
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href });
  document.head.append(link);
}
