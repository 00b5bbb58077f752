/**
 * The client of dalston-realtime for browsers: live text from a microphone, a tab or a file.
 *
 *     const microphone = await AudioCapture.microphone();            // in the handler of a click
 *     const session = connect({ sample_rate: microphone.sampleRate });
 *     session.on("transcript.final", ({ text }) => console.log(text));
 *     microphone.onaudio = (samples) => session.send(samples);
 *
 * A connection that is lost is opened again, and no word is missing as long as at most `bufferSeconds` of audio
 * wait. Where the server has given the session up meanwhile, another one goes on: times, the numbers of
 * utterances and the whole transcript go on as if it were the same.
 */

import { SendBuffer } from "./dalston-buffer.js";
import { DalstonError } from "./dalston-error.js";

export { AudioCapture, captureError, decodeFile } from "./dalston-audio.js";
export { DalstonError } from "./dalston-error.js";
export { SendBuffer } from "./dalston-buffer.js";

const PATH = "/v1/audio/transcriptions/stream";
const SAMPLE_BYTES = 2; // pcm_s16le
const MAX_FRAME_BYTES = 1 << 20; // Bytes of a frame that the server takes.
const SOCKET_BYTES = 1 << 18; // Bytes that wait in the browser; what comes after them waits here.
const PUMP_MS = 20; // Milliseconds until a socket that was full is looked at again.
const FIRST_PAUSE_MS = 100; // Milliseconds before the first new connection; each pause is twice the last.
const LAST_PAUSE_MS = 2_000; // Milliseconds between two of them at most.
const STALL_MS = 6_000; // Milliseconds in which the browser could send nothing: the network is gone.
const OPEN_MS = 10_000; // Milliseconds for a connection to open.
const FIRST_MS = 10_000; // Milliseconds until a server that never answered is said to be away.
const REFUSALS = 3; // Times that a server which can be reached refuses, until it is believed,
const REFUSED_MS = 2_000; // and milliseconds: a session may be on its way from one gateway to another.
const NORMAL = 1000;
const HEALED = new Set([1001, 1005, 1006, 1011, 1012]); // Close codes after which a session can go on.
const TOO_LONG = 4009; // Another session goes on,
const UNAUTHORIZED = 4001; // and so it does where another token can be had: this one's key holds no more.
const UNTOLD = new Set([0, 426]); // Statuses that say nothing: no answer, and that a WebSocket would be taken now.
const TEMPORARY = new Set([...UNTOLD, 502, 503, 504]); // Those after which another try may succeed.

/** Open a session; see `ConnectOptions` in dalston.d.ts. */
export function connect(options = {}) {
  return new LiveSession(options);
}

/** One session, over as many connections as it takes. */
export class LiveSession {
  sessionId = null;
  state = "connecting"; // then "open", and "lost" while there is no connection; "ended"
  #handlers = new Map();
  #url;
  #token;
  #parameters;
  #resumeFor;
  #buffer;
  #socket = null;
  #attempts = 0; // Connections that were tried.
  #opened = false; // Whether this connection was opened.
  #goesOn = false; // Whether frames may be sent on this connection.
  #resume = null; // What `resume=` takes, without the number.
  #lastSeq = 0;
  #lastError = null;
  #refusal = null; // Why the server took no connection.
  #lostAt = null;
  #pause = FIRST_PAUSE_MS;
  #refusals = 0;
  #timers = new Map();
  #finals = []; // The texts of the session that runs, and of those before it.
  #offset = 0; // Seconds of audio before the session that runs.
  #utterances = 0; // Utterances before it.
  #lastUtterance = 0;
  #result;
  #progress = null; // How much waits in the socket, and since when.

  constructor({ url, token, resumeFor = 300, bufferSeconds = 60, ...parameters }) {
    this.#url = httpUrl(url);
    this.#token = token;
    this.#parameters = { encoding: "pcm_s16le", sample_rate: 16_000, ...parameters };
    this.#resumeFor = resumeFor * 1000;
    const { sample_rate: rate, channels = 1 } = this.#parameters;
    this.#buffer = new SendBuffer(rate * channels * SAMPLE_BYTES, bufferSeconds);
    /** The `session.end` event, once everything was transcribed; rejected with a `DalstonError`. */
    this.done = new Promise((resolve, reject) => { this.#result = { resolve, reject }; });
    this.done.catch(() => {});
    this.#every(1_000, () => this.#watch());
    globalThis.addEventListener?.("online", this.#retryNow);
    this.#open();
  }

  /** Seconds of audio that wait to be sent. */
  get waitingSeconds() {
    return this.#buffer.waitingSeconds;
  }

  /** Call `handler(event)` for events of a type, or of all types with "*"; returns what takes it back. */
  on(type, handler) {
    const handlers = this.#handlers.get(type) ?? this.#handlers.set(type, new Set()).get(type);
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  /** Send 16-bit samples (Int16Array), or their bytes; false where too much waits and they are lost. */
  send(samples) {
    if (this.state === "ended") return false;
    const bytes = samples instanceof ArrayBuffer ? new Uint8Array(samples)
      : new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    let kept = true;
    for (let at = 0; at < bytes.length; at += MAX_FRAME_BYTES) {
      kept = this.#buffer.append(bytes.subarray(at, at + MAX_FRAME_BYTES)) && kept;
    }
    this.#pump();
    return kept;
  }

  /** Ask for a final now; exactly one with this `flush_id` answers. */
  flush(id = `flush-${Math.random().toString(36).slice(2)}`) {
    this.#command({ type: "flush", id });
    return id;
  }

  /** Change `min_silence_ms`, `language` or `interim_results` from the next utterance on. */
  configure(changes) {
    Object.assign(this.#parameters, changes);
    this.#command({ type: "config", ...changes });
  }

  /** Say that the client is there while it has no audio to send. */
  keepalive() {
    this.#command({ type: "keepalive" });
  }

  /** Say that no more audio comes; the `session.end` event, once everything was transcribed. */
  end() {
    this.#command({ type: "end" });
    return this.done;
  }

  /** End it at once; what was not transcribed yet is lost. `done` then has null. */
  close() {
    this.#finish(null);
  }

  /** Wait until less than `seconds` of audio wait: for recordings, which come faster than they are taken. */
  async ready(seconds = 2) {
    while (this.state !== "ended" && this.#buffer.waitingSeconds >= seconds) {
      this.#pump();
      await new Promise((resolve) => setTimeout(resolve, PUMP_MS));
    }
  }

  #command(command) {
    if (this.state === "ended") return;
    this.#buffer.append(JSON.stringify(command));
    this.#pump();
  }

  #emit(event) {
    for (const type of [event.type, "*"]) {
      for (const handler of this.#handlers.get(type) ?? []) handler(event);
    }
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit({ type: "state", state });
  }

  // --- one connection ---

  async #open() {
    this.#opened = this.#goesOn = false;
    const attempt = (this.#attempts += 1);
    let token = null;
    try {
      token = await this.#newToken();
    } catch (error) {
      if (TEMPORARY.has(error.status ?? 0)) this.#failed();
      else this.#finish(error);
      return;
    }
    if (this.state === "ended" || attempt !== this.#attempts) return;
    if (this.#socket) this.#release(this.#socket);
    const protocols = token ? ["dalston", `token.${token}`] : [];
    const socket = new WebSocket(this.#target().replace(/^http/, "ws"), protocols);
    this.#socket = socket;
    this.#progress = null;
    const late = setTimeout(() => this.#leave(socket), OPEN_MS);
    socket.onopen = () => {
      clearTimeout(late);
      this.#opened = true;
      if (this.#resume === null) this.#connected();
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      clearTimeout(late);
      this.#closed(code, reason);
    };
  }

  #newToken() {
    return typeof this.#token === "function" ? this.#token() : this.#token;
  }

  #target() {
    const url = new URL(PATH, this.#url);
    const parameters = this.#resume === null ? this.#parameters : { resume: `${this.#resume}:${this.#lastSeq}` };
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined && value !== null) {
        url.searchParams.set(name, typeof value === "object" ? JSON.stringify(value) : value);
      }
    }
    return url.href;
  }

  #connected() {
    this.#goesOn = true;
    this.#lostAt = this.#refusal = null;
    this.#pause = FIRST_PAUSE_MS;
    this.#become("open");
    this.#pump();
  }

  #pump() {
    while (this.#goesOn && this.#buffer.isWaiting && this.#socket.readyState === WebSocket.OPEN) {
      if (this.#socket.bufferedAmount > SOCKET_BYTES) {
        this.#after("pump", PUMP_MS, () => this.#pump());
        return;
      }
      this.#socket.send(this.#buffer.peek());
      this.#buffer.markSent();
    }
  }

  /** Let go of a connection over which nothing moves: its own close would not come either. */
  #leave(socket) {
    this.#release(socket);
    if (socket === this.#socket) this.#closed(1006, "");
  }

  #release(socket) {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #watch() {
    const waiting = this.#goesOn ? this.#socket.bufferedAmount : 0;
    const now = Date.now();
    if (!waiting || !this.#progress || waiting < this.#progress.waiting) this.#progress = { waiting, at: now };
    else if (now - this.#progress.at > STALL_MS) this.#leave(this.#socket);
  }

  #receive(event) {
    if (event.seq !== undefined) {
      if (event.seq <= this.#lastSeq) return;
      this.#lastSeq = event.seq;
    }
    this.#refusals = 0;
    if (event.type === "session.begin") this.#begin(event);
    if (event.type === "session.resumed" && !this.#rewound(event)) return;
    if (event.type === "transcript.final") this.#buffer.trimBefore(event.end ?? 0);
    if (event.type === "error" && !event.recoverable) {
      this.#lastError = event;
      if (event.code === "internal" || event.code === "restarting") return; // It heals, or the end says it.
    }
    const shown = this.#continued(event);
    this.#emit(shown);
    if (event.type === "session.end" && (event.reason ?? "client_end") === "client_end") this.#finish(shown);
  }

  #begin(event) {
    this.#resume = event.resume_token ?? event.session_id;
    this.sessionId = event.session_id;
  }

  #rewound(event) {
    if (this.#buffer.rewind(event.audio_received, event.messages_received)) {
      this.#connected();
      return true;
    }
    this.#socket.onclose = null;
    this.#socket.close(NORMAL);
    this.#beginAnew();
    return false;
  }

  /** The event as one of a session that was never begun anew. */
  #continued(event) {
    const shifted = { ...event };
    if (event.type === "transcript.final" && event.text) this.#finals.push(event.text);
    if (event.utterance !== undefined) shifted.utterance = this.#lastUtterance = event.utterance + this.#utterances;
    if (!this.#offset) return shifted;
    for (const name of ["start", "end", "timestamp", "audio_duration"]) {
      if (event[name] !== undefined) shifted[name] = event[name] + this.#offset;
    }
    if (event.words) {
      const move = (word) => ({ ...word, start: word.start + this.#offset, end: word.end + this.#offset });
      shifted.words = event.words.map(move);
    }
    if (event.type === "session.end") shifted.transcript = this.#finals.join(" ");
    return shifted;
  }

  // --- lost connections ---

  #closed(code, reason) {
    if (this.state === "ended") return;
    const wasOpened = this.#opened;
    this.#opened = this.#goesOn = false;
    if (wasOpened && this.#canBeginAnew(code)) {
      if (code === UNAUTHORIZED) this.#become("lost");
      this.#beginAnew();
    } else if (wasOpened && !HEALED.has(code)) this.#finish(this.#reason(code, reason));
    else this.#failed(wasOpened);
  }

  #canBeginAnew(code) {
    return code === TOO_LONG || (code === UNAUTHORIZED && typeof this.#token === "function");
  }

  #reason(code, reason) {
    const { code: name, message, retry_after: retryAfter } = this.#lastError ?? {};
    const about = { closeCode: code, retryAfter };
    return new DalstonError(name ?? (reason || `closed_${code}`), message ?? `The server closed the session (${code}).`, about);
  }

  /** A connection is lost, or none could be opened: try again, or say why not. */
  async #failed(wasOpened = false) {
    this.#lostAt ??= Date.now();
    if (this.state === "open") this.#become("lost");
    const away = Date.now() - this.#lostAt;
    if (away > (this.sessionId === null ? Math.min(FIRST_MS, this.#resumeFor) : this.#resumeFor)) {
      this.#finish(this.#away());
      return;
    }
    if (!wasOpened && (await this.#isRefused(away))) return;
    this.#after("retry", this.#pause * (0.5 + Math.random() / 2), this.#retryNow);
    this.#pause = Math.min(2 * this.#pause, LAST_PAUSE_MS);
  }

  #retryNow = () => {
    if (this.state === "ended" || this.#opened || this.#lostAt === null) return;
    clearTimeout(this.#timers.get("retry"));
    this.#open();
  };

  /** Ask over HTTP why, which a WebSocket does not say; whether that was dealt with. */
  async #isRefused(away) {
    const { status, error } = await askWhy(this.#target(), () => this.#newToken());
    if (this.state === "ended") return true;
    const message = error?.message ?? `The server refuses the session (HTTP ${status}).`;
    const about = { status, retryAfter: error?.retry_after };
    const refusal = new DalstonError(error?.code ?? "refused", message, about);
    if (!TEMPORARY.has(status) && this.#resume === null) {
      this.#finish(refusal);
      return true;
    }
    this.#refusal = UNTOLD.has(status) ? null : refusal;
    this.#refusals = status ? this.#refusals + 1 : 0;
    if (this.#resume === null || this.#refusals < REFUSALS || away < REFUSED_MS) return false;
    this.#beginAnew();
    return true;
  }

  #away() {
    if (this.#refusal) return this.#refusal;
    const [code, message] = this.sessionId === null
      ? ["unreachable", `No server answers at ${this.#url.host}.`]
      : ["connection_lost", "The connection to the server is lost, and did not come back."];
    return new DalstonError(code, message, { closeCode: 1006 });
  }

  /** The server has given the session up: another one gets what had no final yet, and goes on. */
  #beginAnew() {
    this.#offset += this.#buffer.restart();
    this.#utterances = this.#lastUtterance;
    this.#resume = null;
    this.#lastSeq = this.#refusals = 0;
    this.#lastError = null;
    this.#lostAt ??= Date.now();
    this.#emit({ type: "session.restarted", offset: this.#offset });
    this.#open();
  }

  #finish(result) {
    if (this.state === "ended") return;
    for (const timer of this.#timers.values()) { clearTimeout(timer); clearInterval(timer); }
    globalThis.removeEventListener?.("online", this.#retryNow);
    const socket = this.#socket;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      if (socket.readyState <= WebSocket.OPEN) socket.close(NORMAL);
    }
    if (result instanceof Error) this.#result.reject(result);
    else this.#result.resolve(result);
    this.#become("ended");
  }

  #after(name, milliseconds, act) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(act, milliseconds));
  }

  #every(milliseconds, act) {
    this.#timers.set("every", setInterval(act, milliseconds));
  }
}

/** The server's URL with http(s), which `ws(s)` names too; without one that of this module. */
function httpUrl(url) {
  const base = new URL(url ?? import.meta.url);
  return new URL(base.href.replace(/^ws/, "http"));
}

/** What a plain request for the session is answered: its status, 0 where nothing answers, and its error. */
async function askWhy(url, newToken) {
  try {
    const token = await newToken();
    const answer = await fetch(url, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    const { error } = await answer.json().catch(() => ({}));
    return { status: answer.status, error };
  } catch (error) {
    return error.status ? { status: error.status, error } : { status: 0 };
  }
}
