// The prompt field that was used last, and words that are written into it.
export const DRAGGED = "application/x-ti-embedding";

let last = null; // the field
let place = [0, 0]; // its selection, which a field that was left may lose
let writing = false;

// Whether what a field tells at this moment was written by us.
export function isWriting() {
  return writing;
}

export function isPromptField(element) {
  return (
    element instanceof HTMLTextAreaElement && !element.readOnly && !element.disabled && !element.dataset.tiSearch
  );
}

function note(event) {
  if (!isPromptField(event.target)) return;
  last = event.target;
  place = [last.selectionStart, last.selectionEnd];
}

export function watchFields() {
  for (const type of ["focusin", "keyup", "pointerup", "input", "select"]) document.addEventListener(type, note, true);
  document.addEventListener("focusout", note, true);
  document.addEventListener("dragover", allow, true);
  document.addEventListener("drop", dropped, true);
}

// ComfyUI reads `embedding:` behind white space or a bracket only, and a name up to white space.
function spaced(text, before, after) {
  const head = before === "" || /[\s(]$/.test(before) ? "" : " ";
  const tail = after === "" || /^[\s,)]/.test(after) ? "" : " ";
  return head + text + tail;
}

// Put a text in the place of the characters from start to end, as typing would: it can be undone, and
// the front end notices.
export function replace(field, start, end, text) {
  writing = true;
  field.focus();
  field.setSelectionRange(start, end);
  if (!document.execCommand("insertText", false, text)) {
    field.setRangeText(text, start, end, "end");
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
  writing = false;
  note({ target: field });
}

// Write a word at the cursor of the field that was used last. False when there is none.
export function write(text) {
  if (!last?.isConnected) return false;
  insert(last, ...place, text);
  return true;
}

function insert(field, start, end, text) {
  replace(field, start, end, spaced(text, field.value.slice(0, start), field.value.slice(end)));
}

function allow(event) {
  if (event.dataTransfer?.types.includes(DRAGGED) && isPromptField(event.target)) event.preventDefault();
}

function dropped(event) {
  const text = event.dataTransfer?.getData(DRAGGED);
  if (!text || !isPromptField(event.target)) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // the front end would look for a workflow in it
  const at = pointed(event) ?? (event.target === last ? place[0] : event.target.value.length);
  insert(event.target, at, at, text);
}

// The character below the mouse, where the browser can tell.
function pointed(event) {
  const found = document.caretPositionFromPoint?.(event.clientX, event.clientY);
  return found?.offsetNode === event.target ? found.offset : null;
}
