/** Calls the REST interface with the key of who looks at the page, and asks for one where it is needed. */

import { DalstonError } from "./dalston-error.js";
import { find, make, notice } from "./ui.js";

const KEY = "dalston.key"; // In sessionStorage: gone with the tab, and in no URL.
let asking = null;
let declined = false; // Who was asked for a key gave none: what asks by itself asks no more.

const SENTENCES = {
  401: "A key is needed.",
  403: "This key does not allow it.",
  429: "Too many requests. Try again in a moment.",
};

/** The JSON of an answer, or the answer itself where it is `raw`; throws a DalstonError. */
export async function call(path, { method = "GET", body, raw = false, range, signal } = {}) {
  let answer = await send(path, { method, body, range, signal });
  while (answer.status === 401) {
    const said = await errorOf(answer);
    if (declined || !(await askForKey(hasKey() ? said.message : ""))) throw said;
    answer = await send(path, { method, body, range, signal });
  }
  if (!answer.ok) throw await errorOf(answer);
  return raw ? answer : answer.json();
}

/** What a WebSocket needs beside its URL: a token for the key, or null where there is none. */
export async function socketToken() {
  return hasKey() ? (await call("/v1/realtime/tokens", { method: "POST", body: {} })).token : null;
}

/** Whether somebody gave a key. */
export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

/** Ask for a key; whether one was given. */
export function askForKey(why = "") {
  asking ??= showKeyDialog(why).finally(() => { asking = null; });
  return asking;
}

/** A button that asks for a key, then does it `again`; null where no key would help. */
export function keyButton({ status }, again) {
  if (status !== 401 && !(status === 403 && hasKey())) return null;
  const onclick = async () => { if (await askForKey()) again(); };
  return make("button", { onclick }, hasKey() ? "Use another key" : "Enter a key");
}

/** Show what went wrong, with a way on where it is the key. */
export function showError(error) {
  notice("error", error.message, keyButton(error, () => location.reload()));
}

function offerToForget() {
  const button = find("forget");
  if (!button) return; // An overlay has none.
  button.hidden = !hasKey();
  button.onclick = () => { sessionStorage.removeItem(KEY); location.reload(); };
}

/** Events of a stream (text/event-stream), until `signal` aborts or the stream ends. */
export async function* eventsOf(path, signal) {
  const answer = await call(path, { raw: true, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (data) yield JSON.parse(data);
    }
  }
}

async function send(path, { method, body, range, signal }) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (range) headers.Range = range;
  if (body && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  try {
    return await fetch(path, { method, headers, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new DalstonError("unreachable", "The server does not answer.", { status: 0 });
  }
}

async function errorOf(answer) {
  const { error = {} } = await answer.json().catch(() => ({}));
  const message = error.message ?? SENTENCES[answer.status] ?? `The server answers with HTTP ${answer.status}.`;
  const retryAfter = error.retry_after;
  return new DalstonError(error.code ?? "refused", sentence(message), { status: answer.status, retryAfter });
}

/** A message of the server as a sentence. */
export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function showKeyDialog(why) {
  const input = make("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "key-title" }, "This server needs a key"),
    why && make("p", { class: "notice error", role: "alert" }, why),
    make("label", { htmlFor: "key" }, "API key"),
    input,
    make("p", { class: "hint" }, "Whoever runs the server makes keys. Yours is kept in this tab until you close it."),
    make(
      "div",
      { class: "row" },
      make("button", { class: "primary", value: "ok" }, "Continue"),
      make("button", { value: "cancel", formNoValidate: true }, "Cancel"),
    ),
  );
  const dialog = make("dialog", { "aria-labelledby": "key-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok" && input.value.trim();
      declined = !given;
      if (given) sessionStorage.setItem(KEY, given);
      offerToForget();
      dialog.remove();
      resolve(Boolean(given));
    });
  });
}

offerToForget();
