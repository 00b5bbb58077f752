/** Shows who speaks in a session: colours, names to edit, and voices to enrol from the recording. */

import { call, showError } from "./api.js";
import { DalstonError } from "./dalston.js";
import { duration, find, make, notice } from "./ui.js";

const HEAD_BYTES = 44; // Bytes of a WAV file before its samples.
const BYTES_PER_SECOND = 32_000; // 16 kHz, 16 bits, one channel.
const MAX_VOICE_S = 30; // Seconds of a voice that are enough to know it again.

/** Show the speakers; `rename(label, name)` keeps a name. */
export function showSpeakers(utterances, names, path, colourOf, rename) {
  const labels = [...new Set(utterances.map(({ speaker }) => speaker).filter(Boolean))];
  find("speakers").hidden = labels.length === 0;
  find("speakers").querySelector("ul").replaceChildren(
    ...labels.map((label) => line(label, names[label] ?? "", utterances, path, colourOf(label), rename)),
  );
}

function line(label, name, utterances, path, colour, rename) {
  const input = make("input", { value: name, placeholder: label, "aria-label": `Name of ${label}` });
  const spoken = utterances.filter(({ speaker, end }) => speaker === label && end !== undefined);
  const seconds = spoken.reduce((sum, { start, end }) => sum + end - start, 0);
  input.onchange = () => rename(label, input.value.trim() || null);
  const enrol = make("button", { onclick: () => enrolVoice(input.value.trim(), spoken, path) }, "Enrol the voice");
  return make("li", { class: `row ${colour}` }, input, make("span", { class: "hint" }, duration(seconds)), enrol);
}

async function enrolVoice(name, spoken, path) {
  try {
    if (!name) throw new DalstonError("no_name", "Give the speaker a name first.");
    notice("info", "The server listens to the voice.");
    const form = new FormData();
    form.append("name", name);
    form.append("file", await voiceOf(spoken, path), "voice.wav");
    await call("/v1/speakers", { method: "POST", body: form });
    notice("info", `The voice of ${name} is enrolled: other recordings will have this name.`);
  } catch (error) {
    showError(error);
  }
}

/** A WAV file of the longest utterances of a voice. */
async function voiceOf(spoken, path) {
  const parts = [];
  let seconds = 0;
  for (const { start, end } of [...spoken].sort((a, b) => b.end - b.start - (a.end - a.start))) {
    if (seconds >= MAX_VOICE_S) break;
    parts.push(await soundBetween(path, start, Math.min(end, start + MAX_VOICE_S - seconds)));
    seconds += end - start;
  }
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return new Blob([waveHead(bytes), ...parts], { type: "audio/wav" });
}

async function soundBetween(path, start, end) {
  const place = (seconds) => HEAD_BYTES + 2 * Math.floor((seconds * BYTES_PER_SECOND) / 2);
  const answer = await call(`${path}/audio`, { raw: true, range: `bytes=${place(start)}-${place(end) - 1}` });
  return answer.arrayBuffer();
}

function waveHead(bytes) {
  const head = new DataView(new ArrayBuffer(HEAD_BYTES));
  const write = (at, text) => [...text].forEach((letter, index) => head.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  write(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, 16_000, true);
  head.setUint32(28, BYTES_PER_SECOND, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  write(36, "data");
  head.setUint32(40, bytes, true);
  return head.buffer;
}
