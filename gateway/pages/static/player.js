/** Plays the recording of a session, draws its waveform, and says where it is. */

import { call, hasKey } from "./api.js";
import { clock, find } from "./ui.js";

const ATTEMPTS = 45; // A minute and a half: a gateway that is gone leaves its parts to another one.
const AGAIN_MS = 2_000; // Milliseconds between two of them.
const BAR = 3; // Pixels of a bar of the waveform and the gap behind it.

export class Player {
  onmove = () => {}; // Is called with the seconds at which it plays.
  #audio = new Audio();
  #peaks = [];
  #path;

  constructor(path) {
    this.#path = path;
  }

  /** Load the recording; false where there is none. */
  async load() {
    const width = document.querySelector("main").clientWidth; // The player has none before it is shown.
    const waveform = await this.#waveform(Math.max(50, Math.floor(width / BAR)));
    if (!waveform) return false;
    this.#peaks = waveform.peaks;
    find("place").max = waveform.seconds;
    this.#audio.preload = "metadata";
    await this.#setSource();
    this.#listen();
    return true;
  }

  /** Go to a second, and play from there. */
  seek(seconds, play = true) {
    this.#audio.currentTime = seconds;
    this.show();
    if (play) this.#audio.play().catch(() => {});
  }

  /** Play no more. */
  stop() {
    this.#audio.pause();
  }

  /** The waveform, once the parts of the recording are joined; null where there is none. */
  async #waveform(bars) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        return await call(`${this.#path}/waveform?bars=${bars}`);
      } catch (error) {
        if (error.status === 404) return null;
        if (error.status !== 503) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    return null;
  }

  get #seconds() {
    return this.#audio.currentTime;
  }

  /** An element can't send a key: then the page fetches the recording itself. */
  async #setSource() {
    if (!hasKey()) {
      this.#audio.src = `${this.#path}/audio`;
      return;
    }
    const answer = await call(`${this.#path}/audio`, { raw: true });
    this.#audio.src = URL.createObjectURL(await answer.blob());
  }

  #listen() {
    const button = find("play");
    button.onclick = () => (this.#audio.paused ? this.#audio.play() : this.#audio.pause());
    this.#audio.onplay = () => { button.textContent = "Pause"; this.#follow(); };
    this.#audio.onpause = () => { button.textContent = "Play"; };
    find("place").oninput = ({ target }) => this.seek(Number(target.value), false);
    this.#audio.onseeked = () => this.show();
    matchMedia("(prefers-color-scheme: dark)").onchange = () => this.show();
  }

  #follow() {
    this.show();
    if (!this.#audio.paused) requestAnimationFrame(() => this.#follow());
  }

  /** Show where it is. */
  show() {
    find("place").value = this.#seconds;
    find("place").setAttribute("aria-valuetext", clock(this.#seconds));
    find("clock").textContent = `${clock(this.#seconds)} / ${clock(Number(find("place").max))}`;
    this.#draw();
    this.onmove(this.#seconds);
  }

  #draw() {
    const canvas = find("wave");
    const width = (canvas.width = canvas.clientWidth);
    const style = getComputedStyle(document.documentElement);
    const [played, rest] = ["--accent", "--faint"].map((name) => style.getPropertyValue(name));
    const context = canvas.getContext("2d");
    const step = width / (this.#peaks.length || 1);
    const until = (this.#seconds / (Number(find("place").max) || 1)) * this.#peaks.length;
    this.#peaks.forEach((peak, index) => {
      const height = Math.max(2, Math.sqrt(peak) * canvas.height);
      context.fillStyle = index < until ? played : rest;
      context.fillRect(index * step, (canvas.height - height) / 2, Math.max(1, step - 1), height);
    });
  }
}
