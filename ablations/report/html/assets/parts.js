"use strict";
/* Shared functions of the pages. Text from records is inserted as text nodes and never parsed as markup. */

function element(name, attributes = {}, parent = null, text = null, space = null) {
  const node = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function svgElement(name, attributes, parent, text = null) {
  return element(name, attributes, parent, text, "http://www.w3.org/2000/svg");
}

function data() {
  return JSON.parse(document.getElementById("data").textContent);
}

/* One tile of a grid image, as an SVG view of it; the browser decodes the image once. */
function tile(grid, source, at, label) {
  const x = at % grid.columns, y = Math.floor(at / grid.columns);
  const box = svgElement("svg", { viewBox: `${x} ${y} 1 1`, role: "img", "aria-label": label });
  svgElement("image", { href: source, width: grid.columns, height: grid.rows, preserveAspectRatio: "none" }, box);
  return box;
}
