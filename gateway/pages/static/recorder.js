/** Joins a source of sound to a session: opens both, passes audio on, ends both. */

import { socketToken } from "./api.js";
import { AudioCapture, DalstonError, connect, decodeFile } from "./dalston.js";

const FILE_RATE = 16_000; // Hz of a decoded file.
const PIECE = 4_000; // Samples of a decoded file that are sent at once: 250 ms.
const MAX_DECODED_S = 45 * 60; // Seconds of a file that is decoded as a whole: 350 MB of a browser's memory.
const BUFFER_S = 60; // Seconds of speech that are kept while there is no connection.

/** One recording; `onlevel(peak, seconds)` is called ten times a second. */
export class Recorder {
  onlevel = () => {};
  onended = () => {}; // The source ended by itself, with a reason.
  onlost = () => {}; // So many seconds of audio were lost in all: there was no connection for too long.
  session = null;
  #capture = null;
  #seconds = 0;
  #lost = 0;
  #stopped = false;

  /** Record what `open` captures; `prepare` gets the session before its first event. */
  async capture(open, parameters, prepare) {
    this.#capture = await open();
    const { sampleRate, channels } = this.#capture;
    if (this.#stopped) return this.#capture.stop();
    this.#begin({ ...parameters, sample_rate: sampleRate, channels }, prepare);
    this.#capture.onaudio = (samples, peak) => this.#send(samples, peak, samples.length / channels / sampleRate);
    this.#capture.onended = (reason) => this.onended(reason);
  }

  /** Play a file at the pace of speech, so that it is heard too. */
  async play(file, parameters, prepare) {
    const audio = await loadedAudio(file);
    await this.capture(() => AudioCapture.element(audio), { ...parameters, channels: 1 }, prepare);
    await audio.play();
    this.session.done.catch(() => {}).finally(() => {
      audio.pause();
      URL.revokeObjectURL(audio.src);
    });
  }

  /** Send a file as fast as the server takes it. */
  async sendFile(file, parameters, prepare) {
    const { duration, src } = await loadedAudio(file);
    URL.revokeObjectURL(src);
    if (duration > MAX_DECODED_S) {
      throw new DalstonError("file_too_long", `As fast as it goes, a recording may have ${MAX_DECODED_S / 60} minutes; this one has ${Math.round(duration / 60)}. Choose the pace of speech in the settings, or send it to the batch pipeline.`);
    }
    const samples = await decodeFile(file);
    if (this.#stopped) return;
    this.#begin({ ...parameters, sample_rate: FILE_RATE, channels: 1, channel_mode: undefined }, prepare);
    for (let at = 0; at < samples.length && this.session.state !== "ended" && !this.#stopped; at += PIECE) {
      await this.session.ready();
      const piece = samples.subarray(at, at + PIECE);
      this.#send(piece, peakOf(piece), piece.length / FILE_RATE);
    }
    this.onended("ended");
  }

  /** Take no more audio; what was said is transcribed. */
  async stop() {
    this.#stopped = true;
    await this.#capture?.stop();
    this.session?.end();
  }

  /** Give up at once. */
  abandon() {
    this.#stopped = true;
    this.#capture?.stop();
    this.session?.close();
  }

  #begin(parameters, prepare) {
    this.session = connect({ url: location.origin, token: socketToken, bufferSeconds: BUFFER_S, ...parameters });
    prepare(this.session);
  }

  #send(samples, peak, seconds) {
    this.#seconds += seconds;
    this.onlevel(peak, this.#seconds);
    if (this.session.send(samples) || this.session.state === "ended") return;
    this.#lost += seconds;
    this.onlost(this.#lost);
  }
}

/** An element that can play the file; throws where the browser hears no audio in it. */
function loadedAudio(file) {
  const audio = new Audio(URL.createObjectURL(file));
  return new Promise((resolve, reject) => {
    audio.onloadedmetadata = () => resolve(audio);
    audio.onerror = () => reject(new DalstonError("no_audio", `“${file.name}” is not audio that this browser can read.`));
  });
}

function peakOf(samples) {
  return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0) / 32_768;
}
