/** Shows the text of a session as it comes, in one column for each channel, with a bounded number of elements. */

import { clock, make } from "./ui.js";

const PAUSE_S = 2; // Seconds of silence that begin a paragraph.
const MAX_PARAGRAPHS = 120; // In a column: an hour of talk scrolls without stutter.
const MAX_CHARS = 600; // Of a paragraph of somebody who makes no pause.
const NEAR = 80; // Pixels from the end within which the page follows the text.

export class TranscriptView {
  #place;
  #columns = new Map();

  constructor(place) {
    this.#place = place;
  }

  clear() {
    this.#columns.clear();
    this.#place.replaceChildren();
  }

  /** What may still change: its stable part darker. */
  showPartial({ channel = 0, text, stable = 0 }) {
    const { partial } = this.#column(channel);
    const characters = Array.from(text); // `stable` counts characters, not the halves of some.
    this.#following(() => {
      partial.replaceChildren(
        make("span", { class: "stable" }, characters.slice(0, stable).join("")),
        make("span", {}, characters.slice(stable).join("")),
      );
    });
  }

  /** What will not change any more. */
  addFinal({ channel = 0, text, start, end }) {
    const column = this.#column(channel);
    this.#following(() => {
      column.partial.replaceChildren();
      if (!text) return;
      if (startsParagraph(column, start)) this.#addParagraph(column, start);
      column.paragraph.append(make("span", {}, `${text} `));
      column.chars += text.length;
      column.end = end ?? column.end;
    });
  }

  #addParagraph(column, start) {
    column.paragraph = make("p", {}, start !== undefined && make("time", {}, clock(start)));
    column.log.append(column.paragraph);
    column.chars = 0;
    if (column.log.childElementCount <= MAX_PARAGRAPHS) return;
    column.log.firstElementChild.remove();
    column.earlier.hidden = false;
  }

  #column(channel) {
    const known = this.#columns.get(channel);
    if (known) return known;
    const name = this.#columns.size || channel ? `Channel ${channel + 1}` : "Transcript";
    const earlier = make("p", { class: "hint", hidden: true }, "What was said before is in the download.");
    const log = make("div", { class: "log", role: "log", "aria-label": name });
    const partial = make("p", { class: "partial", "aria-live": "off" });
    const title = make("h2", { class: "channel" }, `Channel ${channel + 1}`);
    const column = { log, partial, earlier, paragraph: null, chars: 0, end: -Infinity };
    this.#columns.set(channel, column);
    this.#place.append(make("div", { class: "column" }, title, earlier, log, partial));
    this.#place.classList.toggle("many", this.#columns.size > 1);
    return column;
  }

  /** Change something, and keep the end in sight where it was. */
  #following(change) {
    const page = document.scrollingElement;
    const wasNear = page.scrollHeight - page.scrollTop - page.clientHeight < NEAR;
    change();
    if (wasNear) page.scrollTop = page.scrollHeight;
  }
}

function startsParagraph(column, start) {
  if (!column.paragraph || column.chars > MAX_CHARS) return true;
  return start !== undefined && start - column.end > PAUSE_S;
}
