// A picture on a node that belongs to no output and to no saved workflow.
const NAME = "ti_picture";
const HEIGHT = 160;

function removePicture(node) {
  const at = node.widgets?.findIndex((each) => each.name === NAME) ?? -1;
  if (at >= 0) node.widgets.splice(at, 1)[0].onRemove?.();
}

export function showPicture(node, source, alt) {
  removePicture(node);
  if (!source) return;
  const picture = new Image();
  picture.alt = alt;
  picture.src = source;
  picture.style.objectFit = "contain";
  const options = { serialize: false, getMinHeight: () => HEIGHT, getMaxHeight: () => HEIGHT };
  node.addDOMWidget(NAME, "TI_PICTURE", picture, options).serialize = false;
  const size = node.computeSize();
  node.setSize([Math.max(node.size[0], size[0]), Math.max(node.size[1], size[1])]);
  node.setDirtyCanvas(true, true);
}

// What a choice of a node's list shows, from the moment the node is there.
export function onChoice(node, name, show) {
  const widget = node.widgets?.find((each) => each.name === name);
  if (!widget) return null;
  const changed = widget.callback;
  widget.callback = function (value) {
    show(value);
    return changed?.apply(this, arguments);
  };
  const configured = node.onConfigure;
  node.onConfigure = function () {
    configured?.apply(this, arguments);
    show(widget.value);
  };
  return widget;
}
