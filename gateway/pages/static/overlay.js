/** Shows captions over a picture, for OBS and projectors: a few lines of big letters, and nothing else. */

import { AudioCapture } from "./dalston.js";
import { Recorder } from "./recorder.js";
import { phrases } from "./settings.js";
import { make } from "./ui.js";

const KEPT_CHARS = 600; // Of what was said: more than any number of lines shows.
const DEFAULTS = { size: 48, lines: 2, hold: 8, position: "bottom", background: "transparent", font: "" };

/** Take the place of the page; parameters are those of `DEFAULTS`, and `model`, `language`, `vocabulary`. */
export function showOverlay(parameters) {
  const wish = (name, low, high) => {
    const number = Number(parameters.get(name) ?? DEFAULTS[name]);
    return number >= low && number <= high ? number : DEFAULTS[name];
  };
  const [size, lines, hold] = [wish("size", 8, 400), wish("lines", 1, 10), wish("hold", 1, 3600)];
  const text = make("p", { role: "log", "aria-label": "Captions" });
  const said = make("span");
  const partial = make("span", { class: "partial", "aria-live": "off" });
  text.append(said, partial);
  const place = make("main", { class: "lines" }, text);
  place.style.fontSize = `${size}px`;
  place.style.maxHeight = `${lines * 1.25}em`;
  place.style.fontFamily = parameters.get("font") ?? "";
  const position = parameters.get("position") === "top" ? "top" : DEFAULTS.position;
  document.body.className = `overlay ${position} ${parameters.get("background") === "black" ? "black" : ""}`;
  document.body.replaceChildren(place);
  run(parameters, { place, said, partial, hold });
}

function run(parameters, { place, said, partial, hold }) {
  let silence = 0;
  const show = (final, rest) => {
    if (final) said.textContent = `${said.textContent}${final} `.slice(-KEPT_CHARS);
    partial.textContent = rest;
    clearTimeout(silence);
    silence = setTimeout(() => { said.textContent = partial.textContent = ""; }, hold * 1000);
  };
  const start = async () => {
    const recorder = new Recorder();
    const follow = (session) => {
      session.on("transcript.partial", (event) => show("", event.text));
      session.on("transcript.final", (event) => show(event.text, ""));
      session.done.catch(offer);
    };
    try {
      await recorder.capture(() => AudioCapture.microphone(), wanted(parameters), follow);
    } catch (error) {
      offer(error);
    }
    recorder.onended = () => offer(new Error("The microphone is gone."));
  };
  const offer = (error) => {
    const button = make("button", { onclick: () => { button.remove(); start(); } }, error ? `${error.message} Try again` : "Start the microphone");
    place.append(button);
  };
  // OBS lets a page record without a click; a browser's window does not.
  if (parameters.get("autostart") === "1") start();
  else offer();
}

function wanted(parameters) {
  const vocabulary = phrases((parameters.get("vocabulary") ?? "").replaceAll(",", "\n"));
  return {
    model: parameters.get("model") ?? undefined,
    language: parameters.get("language") ?? undefined,
    vocabulary,
    overflow: "queue",
  };
}
