/** Captures audio in a browser: a microphone, the sound of a tab, a file that is played. */

import { DalstonError } from "./dalston-error.js";

const FLUSH_MS = 200; // Milliseconds for the last samples of the audio thread.
const START_MS = 5_000; // Milliseconds for a browser to start sound, which it does at once where it does at all.

const SENTENCES = {
  NotFoundError: ["microphone_missing", "There is no microphone. Connect one, then try again."],
  NotAllowedError: ["capture_denied", "The browser does not allow it. Allow the microphone for this page, then try again."],
  NotReadableError: ["microphone_busy", "Another program holds the microphone. Close it there, then try again."],
  OverconstrainedError: ["microphone_missing", "The microphone that was chosen is not there any more."],
  AbortError: ["capture_aborted", "The recording could not be started."],
};
const NO_TAB = ["capture_denied", "Nothing is shared. Choose a tab, and share its sound."];

/**
 * Sound that comes in: 100 ms at a time in `onaudio(samples: Int16Array, peak: number)`, the channels
 * interleaved, at `sampleRate`. `onended(reason)` is called once where it ends by itself.
 */
export class AudioCapture {
  onaudio = () => {};
  onended = () => {};
  #context;
  #node;
  #source;
  #stream;
  #stopped = false;

  /** Call this in the handler of a click: a browser keeps audio silent until somebody has clicked. */
  static async microphone({ deviceId, echoCancellation = false, noiseSuppression = false, channels = 1 } = {}) {
    const audio = { echoCancellation, noiseSuppression, channelCount: { ideal: channels } };
    if (deviceId) audio.deviceId = { exact: deviceId };
    return AudioCapture.#ofStream((media) => media.getUserMedia({ audio }), channels, "unplugged");
  }

  /** The sound of a tab or a window, which the browser lets its user choose. */
  static async tab({ channels = 1 } = {}) {
    return AudioCapture.#ofStream(async (media) => {
      const stream = await media.getDisplayMedia({ audio: true, video: true });
      for (const track of stream.getVideoTracks()) track.enabled = false;
      return stream;
    }, channels, "ended");
  }

  /** The sound of an `<audio>` or `<video>` element while it plays; it is heard too. */
  static async element(element, { channels = 1 } = {}) {
    const context = await resumed(new AudioContext());
    const source = context.createMediaElementSource(element);
    source.connect(context.destination);
    const capture = await AudioCapture.#of(context, source, channels);
    element.addEventListener("ended", () => capture.#end("ended"));
    return capture;
  }

  static async #ofStream(open, channels, atEnd) {
    if (!navigator.mediaDevices) throw new DalstonError("insecure_context", "A browser gives the microphone to https:// pages and to localhost only.");
    let context = new AudioContext();
    const resuming = resumed(context);
    let stream;
    try {
      stream = await open(navigator.mediaDevices);
    } catch (error) {
      context.close();
      throw atEnd === "ended" && error.name === "NotAllowedError" ? new DalstonError(...NO_TAB) : captureError(error);
    }
    const [track] = stream.getAudioTracks();
    try {
      if (!track) throw new DalstonError("no_sound", "What was chosen has no sound. Choose a tab, and share its sound.");
      await started(context, resuming);
    } catch (error) {
      for (const each of stream.getTracks()) each.stop();
      context.close();
      throw error;
    }
    context = await atRateOf(track, context);
    const capture = await AudioCapture.#of(context, context.createMediaStreamSource(stream), channels);
    capture.#stream = stream;
    track.addEventListener("ended", () => capture.#end(atEnd));
    return capture;
  }

  static async #of(context, source, channels) {
    await context.audioWorklet.addModule(new URL("./dalston-capture.js", import.meta.url));
    const capture = new AudioCapture();
    const options = { processorOptions: { channels }, numberOfOutputs: 0 };
    const node = new AudioWorkletNode(context, "dalston-capture", options);
    node.port.onmessage = ({ data }) => capture.onaudio(data.samples, data.peak);
    source.connect(node);
    Object.assign(capture, { channels, sampleRate: context.sampleRate });
    capture.#context = context;
    capture.#node = node;
    capture.#source = source;
    context.addEventListener("statechange", () => capture.#stayAwake());
    return capture;
  }

  /** End it; the last samples are handed over before. */
  async stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#source.disconnect(this.#node);
    const audio = this.onaudio;
    await new Promise((resolve) => {
      this.#node.port.onmessage = ({ data }) => { audio(data.samples, data.peak); resolve(); };
      this.#node.port.postMessage("post");
      setTimeout(resolve, FLUSH_MS);
    });
    this.#node.port.onmessage = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    await this.#context.close();
  }

  #stayAwake() {
    // A phone call or a laptop that sleeps suspends it.
    if (!this.#stopped && this.#context.state !== "running" && this.#context.state !== "closed") {
      this.#context.resume().catch(() => {});
    }
  }

  #end(reason) {
    if (!this.#stopped) this.stop().then(() => this.onended(reason));
  }
}

/** The samples of a whole file at 16 kHz with one channel, as 16-bit samples. */
export async function decodeFile(file) {
  const context = new OfflineAudioContext(1, 1, 16_000);
  let buffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new DalstonError("no_audio", `${file.name} is not audio that this browser can read.`);
  }
  return mixed(buffer);
}

/** A message for people of what `getUserMedia` and its like throw. */
export function captureError(error) {
  const [code, message] = SENTENCES[error.name] ?? ["capture_failed", `The sound can't be recorded: ${error.message}`];
  return new DalstonError(code, message);
}

/** The 16-bit samples of the mean of all channels. */
function mixed(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, each) => buffer.getChannelData(each));
  const samples = new Int16Array(buffer.length);
  for (let at = 0; at < samples.length; at += 1) {
    const sum = channels.reduce((total, channel) => total + channel[at], 0);
    samples[at] = Math.max(-1, Math.min(1, sum / channels.length)) * 32767;
  }
  return samples;
}

/** Wait until a context runs; one does not before its user has clicked, or where the machine plays no sound. */
async function started(context, resuming) {
  await Promise.race([resuming, new Promise((resolve) => setTimeout(resolve, START_MS))]);
  if (context.state === "running") return;
  throw new DalstonError("sound_suspended", "The browser starts no sound. Click once more; if that does not help, see that the machine has a sound device.");
}

async function resumed(context) {
  await context.resume();
  return context;
}

/** A context at the rate of the device, so that the browser does not resample. */
async function atRateOf(track, context) {
  const rate = track.getSettings().sampleRate;
  if (!rate || rate === context.sampleRate) return context;
  try {
    const other = await resumed(new AudioContext({ sampleRate: rate }));
    context.close();
    return other;
  } catch {
    return context; // The browser resamples.
  }
}
