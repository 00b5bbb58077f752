/** Keeps the settings of the captions page over reloads, and reads them as parameters of a session. */

import { find } from "./ui.js";

const STORED = "dalston.captions";
const NAMES = ["model", "language", "silence", "vocabulary", "device", "pace", "separate", "echo", "noise", "store"];
const MAX_PHRASES = 100;
const MAX_PHRASE_CHARS = 50;

/** Fill the form with what was chosen last, and keep what is chosen. */
export function keepSettings(form) {
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    localStorage.removeItem(STORED);
  }
  for (const name of NAMES) {
    if (stored[name] !== undefined) setValue(find(name), stored[name]);
  }
  form.addEventListener("change", () => {
    const chosen = Object.fromEntries(NAMES.map((name) => [name, valueOf(find(name))]));
    localStorage.setItem(STORED, JSON.stringify(chosen));
  });
}

/** Offer choices in a list, and keep what is chosen even where it is not among them now. */
export function offer(select, choices) {
  const chosen = select.value;
  const known = choices.some(([value]) => value === chosen) ? [] : [[chosen, chosen]];
  select.replaceChildren(...[...choices, ...known].map(([value, text]) => new Option(text, value)));
  select.value = chosen;
}

/** What the microphone is asked for. */
export function captureOptions() {
  return {
    deviceId: find("device").value || undefined,
    echoCancellation: find("echo").checked,
    noiseSuppression: find("noise").checked,
    channels: find("separate").checked ? 2 : 1,
  };
}

/** What the session is asked for. */
export function sessionParameters() {
  const separate = find("separate").checked;
  return {
    model: find("model").value,
    language: find("language").value,
    min_silence_ms: find("silence").value,
    vocabulary: phrases(find("vocabulary").value),
    store: find("store").checked ? true : undefined,
    word_timestamps: find("store").checked ? true : undefined, // Then words light up as they are played.
    channels: separate ? 2 : 1,
    channel_mode: separate ? "separate" : undefined,
    overflow: "queue",
    timing: true,
  };
}

/** One phrase a line, as many and as long as the server takes. */
export function phrases(text) {
  const found = text.split("\n").map((line) => line.trim().slice(0, MAX_PHRASE_CHARS)).filter(Boolean);
  return found.length ? found.slice(0, MAX_PHRASES) : undefined;
}

function valueOf(field) {
  return field.type === "checkbox" ? field.checked : field.value;
}

function setValue(field, value) {
  if (field.type === "checkbox") field.checked = value === true;
  else {
    if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
      field.append(new Option(value, value)); // The server's list comes later.
    }
    field.value = String(value);
  }
}
