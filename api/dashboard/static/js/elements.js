// The elements of the page. Names that clients choose only ever become text: no function here accepts HTML.

// An element with properties and children; `data` and `aria` are objects, a string child is text.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (property === "data") Object.assign(made.dataset, value);
    else if (property === "attributes") for (const [key, text] of Object.entries(value)) made.setAttribute(key, text);
    else made[property] = value;
  }
  made.append(...children);
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

// Write a text if it has changed: unchanged text costs no layout.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name, wanted) {
  if (node.classList.contains(name) !== wanted) node.classList.toggle(name, wanted);
}

// Write a gain and colour it by the sign in its text: an amount that rounds to 0.00 stays neutral.
export function writeGain(node, text) {
  write(node, text);
  setClass(node, "up", text.startsWith("+"));
  setClass(node, "down", text.startsWith("−"));
}

// A length as a fraction of the available room, for bars.
export function setShare(node, share) {
  const text = Math.min(1, Math.max(0, share)).toFixed(3);
  if (node.dataset.share === text) return;
  node.dataset.share = text;
  node.style.setProperty("--share", text);
}

// A requested number of rows, which are made once and reused: a moving list makes no garbage.
export class Rows {
  #parent;
  #make;
  #rows = [];

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  fit(count) {
    while (this.#rows.length < count) {
      const row = this.#make(this.#rows.length);
      this.#rows.push(row);
      this.#parent.append(row.node);
    }
    while (this.#rows.length > count) this.#rows.pop().node.remove();
    return this.#rows;
  }
}

// Rows of named items: a row follows its item when the order changes, so that text being typed into it stays with it.
export class NamedRows {
  #parent;
  #make;
  #rows = new Map();

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  fit(names) {
    const wanted = new Set(names);
    for (const [name, row] of this.#rows) {
      if (wanted.has(name)) continue;
      row.node.remove();
      this.#rows.delete(name);
    }
    return names.map((name, index) => {
      const row = this.#rows.get(name) ?? this.#make();
      this.#rows.set(name, row);
      if (this.#parent.children[index] !== row.node) this.#parent.insertBefore(row.node, this.#parent.children[index] ?? null);
      return row;
    });
  }
}

// A row of a table, with its cells.
export function tableRow(classes, header = -1) {
  const cells = classes.map((className, index) =>
    element(index === header ? "th" : "td", index === header ? { className, scope: "row" } : { className }),
  );
  return { node: element("tr", {}, ...cells), cells };
}
