// A value that notifies its listeners when it changes.

export class Signal {
  #value;
  #listeners = new Set();

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    if (value === this.#value) return;
    this.#value = value;
    this.changed();
  }

  // For values that are changed in place: the rows of a book are not copied for each update.
  changed() {
    for (const listener of this.#listeners) listener(this.#value);
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
