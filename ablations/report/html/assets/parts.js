"use strict";
/* What the page's scripts share. Text goes in as text: nothing from a record is ever parsed as markup. */

function made(name, attributes = {}, parent = null, text = null, space = null) {
  const node = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function drawn(name, attributes, parent, text = null) {
  return made(name, attributes, parent, text, "http://www.w3.org/2000/svg");
}

function data() {
  return JSON.parse(document.getElementById("data").textContent);
}

/* One square of a picture that holds many; the browser decodes the picture once. */
function tile(grid, source, at, told) {
  const x = at % grid.columns, y = Math.floor(at / grid.columns);
  const box = drawn("svg", { viewBox: `${x} ${y} 1 1`, role: "img", "aria-label": told });
  drawn("image", { href: source, width: grid.columns, height: grid.rows, preserveAspectRatio: "none" }, box);
  return box;
}
