/** Runs in the audio thread: gathers 100 ms of all channels, interleaved, as 16-bit samples, and their peak. */

const CHUNK_S = 0.1;

class DalstonCapture extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels } }) {
    super();
    this.channels = channels;
    this.frames = Math.round(sampleRate * CHUNK_S);
    this.clear();
    this.port.onmessage = () => this.post(); // Asked for what is gathered so far.
  }

  clear() {
    this.samples = new Int16Array(this.frames * this.channels);
    this.filled = 0;
    this.peak = 0;
  }

  post() {
    const samples = this.samples.subarray(0, this.filled * this.channels).slice();
    this.port.postMessage({ samples, peak: this.peak }, [samples.buffer]);
    this.clear();
  }

  process([input]) {
    if (!input.length) return true;
    for (let frame = 0; frame < input[0].length; frame += 1) {
      for (let channel = 0; channel < this.channels; channel += 1) {
        const value = Math.max(-1, Math.min(1, (input[channel] ?? input[0])[frame]));
        this.peak = Math.max(this.peak, Math.abs(value));
        this.samples[this.filled * this.channels + channel] = Math.round(value * 32767);
      }
      this.filled += 1;
      if (this.filled === this.frames) this.post();
    }
    return true;
  }
}

registerProcessor("dalston-capture", DalstonCapture);
