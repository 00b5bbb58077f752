/** Keeps the frames of a session, so that what a lost connection lost can be sent again. */

const SAMPLE_BYTES = 2; // pcm_s16le

/**
 * The frames in their order: first those that were sent, then those that wait.
 * A frame is audio (Uint8Array) whose first byte is byte `start` of the session's audio, or a command (string)
 * that is command number `number`.
 */
export class SendBuffer {
  #frames = [];
  #sent = 0; // How many of them were sent.
  #keptBytes = 0; // Bytes of audio that are kept.
  #totalBytes = 0;
  #totalCommands = 0;
  #waitingBytes = 0;
  #rate;
  #maxBytes;

  /** `bytesPerSecond` is over all channels; `maxSeconds` of audio may wait, and as many are kept once sent. */
  constructor(bytesPerSecond, maxSeconds) {
    this.#rate = bytesPerSecond;
    this.#maxBytes = Math.round(bytesPerSecond * maxSeconds);
  }

  /** Seconds of audio that wait. */
  get waitingSeconds() {
    return this.#waitingBytes / this.#rate;
  }

  /** Whether anything waits, audio or a command. */
  get isWaiting() {
    return this.#sent < this.#frames.length;
  }

  /** Queue a frame; false, and nothing is done, where too much audio waits already. */
  append(frame) {
    const size = sizeOf(frame);
    if (size && this.#waitingBytes + size > this.#maxBytes) return false;
    if (!size) this.#totalCommands += 1;
    this.#frames.push({ frame, start: this.#totalBytes, size, number: this.#totalCommands });
    this.#totalBytes += size;
    this.#keptBytes += size;
    this.#waitingBytes += size;
    return true;
  }

  /** The next frame to send; undefined where nothing waits. */
  peek() {
    return this.#frames[this.#sent]?.frame;
  }

  /** Note that the next frame was sent. */
  markSent() {
    this.#waitingBytes -= this.#frames[this.#sent].size;
    this.#sent += 1;
    while (this.#sent && this.#keptBytes - this.#frames[0].size > this.#maxBytes) this.#drop();
  }

  /** Forget what was sent of the first `seconds`: their text is final. */
  trimBefore(seconds) {
    const limit = seconds * this.#rate;
    while (this.#sent && endsBefore(this.#frames[0], limit)) this.#drop();
  }

  /**
   * Let everything wait again that comes after so much audio and so many commands.
   * False, and nothing is changed, where a part of it is not kept any more.
   */
  rewind(seconds, commands) {
    const arrived = Math.round((seconds * this.#rate) / SAMPLE_BYTES) * SAMPLE_BYTES;
    const missing = ({ size, start, number }) => (size ? start + size > arrived : number > commands);
    let first = this.#frames.findIndex(missing);
    if (first < 0) first = this.#frames.length;
    const audio = this.#frames.slice(first).find(({ size }) => size);
    if (arrived > this.#totalBytes || arrived < (audio?.start ?? this.#totalBytes)) return false;
    const cut = this.#frames[first];
    if (cut?.size && cut.start < arrived) {
      const head = arrived - cut.start;
      const rest = { ...cut, frame: cut.frame.subarray(head), start: arrived, size: cut.size - head };
      this.#frames.splice(first, 1, { ...cut, frame: cut.frame.subarray(0, head), size: head }, rest);
      first += 1;
    }
    this.#sent = first;
    this.#count();
    return true;
  }

  /** Let all that is kept wait for a session that begins anew; the seconds of audio that come before it. */
  restart() {
    const base = this.#frames[0]?.start ?? this.#totalBytes;
    const commands = (this.#frames[0]?.number ?? this.#totalCommands + 1) - (this.#frames[0]?.size ? 0 : 1);
    for (const each of this.#frames) {
      each.start -= base;
      each.number -= commands;
    }
    this.#totalBytes -= base;
    this.#totalCommands -= commands;
    this.#sent = 0;
    this.#count();
    return base / this.#rate;
  }

  #drop() {
    this.#keptBytes -= this.#frames.shift().size;
    this.#sent -= 1;
  }

  #count() {
    const bytes = (frames) => frames.reduce((sum, { size }) => sum + size, 0);
    this.#keptBytes = bytes(this.#frames);
    this.#waitingBytes = bytes(this.#frames.slice(this.#sent));
  }
}

function sizeOf(frame) {
  return typeof frame === "string" ? 0 : frame.byteLength;
}

function endsBefore({ size, start }, limit) {
  return size ? start + size <= limit : start < limit;
}
