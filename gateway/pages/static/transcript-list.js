/** Shows the kept text of a session: utterances with speakers, words that light up, two texts side by side. */

import { compareTexts, pairByTime } from "./differences.js";
import { clock, make } from "./ui.js";

const COLOURS = 8; // Classes of style.css.

export class TranscriptList {
  onseek = () => {}; // Is called with a second that somebody wants to hear.
  #place;
  #timed = []; // Elements with the seconds between which they are said, in their order.
  #lit = null;
  #labels = [];

  constructor(place) {
    this.#place = place;
    place.addEventListener("click", ({ target }) => {
      const start = target.closest("[data-start]")?.dataset.start;
      if (start !== undefined && getSelection().isCollapsed) this.onseek(Number(start));
    });
  }

  /** The class of a speaker's colour. */
  colourOf(label) {
    if (!this.#labels.includes(label)) this.#labels.push(label);
    return `speaker-${this.#labels.indexOf(label) % COLOURS}`;
  }

  /** Show one text. */
  show(utterances) {
    this.#begin();
    this.#place.append(...utterances.map((utterance, index) => this.#utterance(utterance, utterances[index - 1])));
  }

  /** Add utterances of a session that runs. */
  append(utterances) {
    this.#place.append(...utterances.map((utterance) => this.#utterance(utterance)));
  }

  /** Show the live text beside the enhanced one, with their differences marked. */
  compare(live, enhanced) {
    this.#begin();
    const head = make("tr", {}, make("th", { scope: "col" }, "Live"), make("th", { scope: "col" }, "Enhanced"));
    const rows = pairByTime(live, enhanced).map(({ left, right }) => this.#row(left, right));
    this.#place.append(make("table", { class: "compare" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  /** Light up what is said at a second. */
  light(seconds) {
    const index = lastBefore(this.#timed, seconds);
    const found = index >= 0 && seconds < this.#timed[index].end + 0.3 ? this.#timed[index].element : null;
    if (found === this.#lit) return;
    this.#lit?.classList.remove("lit");
    found?.classList.add("lit");
    this.#lit = found;
  }

  #begin() {
    this.#place.replaceChildren();
    this.#timed = [];
    this.#lit = null;
  }

  #utterance(utterance, before) {
    const { speaker, speaker_name: name, start, text } = utterance;
    const isNew = speaker && speaker !== before?.speaker;
    return make(
      "p",
      { class: `utterance ${speaker ? this.colourOf(speaker) : ""}` },
      start !== undefined && make("button", { class: "jump", "data-start": start, "aria-label": `Play from ${clock(start)}` }, clock(start)),
      isNew && make("strong", { class: "who" }, name || speaker),
      make("span", { class: "said" }, ...this.#words(utterance, text)),
    );
  }

  #words({ words, start, end }, text) {
    const timed = (words ?? []).filter((word) => word.start !== undefined);
    if (!timed.length) return [this.#timedSpan(text, start, end)];
    return timed.flatMap((word) => [this.#timedSpan(word.word, word.start, word.end ?? word.start), " "]);
  }

  #timedSpan(text, start, end) {
    const element = make("span", { class: "word", "data-start": start }, text.trim());
    if (start !== undefined) this.#timed.push({ element, start, end });
    return element;
  }

  #row(left, right) {
    const texts = compareTexts(left.map(({ text }) => text).join(" "), right?.text ?? "");
    const start = right?.start ?? left[0]?.start;
    const cells = texts.map((words, side) => {
      const cell = make("td", { class: side && right?.speaker ? this.colourOf(right.speaker) : "" }, ...words.flatMap(marked));
      if (side === 1 && start !== undefined) this.#timed.push({ element: cell, start, end: right?.end ?? start });
      return cell;
    });
    return make("tr", { "data-start": start }, ...cells);
  }
}

function marked({ text, isSame }) {
  return [isSame ? text : make("mark", {}, text), " "];
}

/** The index of the last element that begins at or before a second; -1 where there is none. */
function lastBefore(timed, seconds) {
  let [low, high] = [0, timed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timed[middle].start <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
