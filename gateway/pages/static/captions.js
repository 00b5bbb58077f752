/** Is the page of live captions: what is said into a microphone, a tab or a file becomes text. */

import { call, keyButton, sentence, showError } from "./api.js";
import { AudioCapture } from "./dalston.js";
import { showLatency } from "./latency.js";
import { showOverlay } from "./overlay.js";
import { Recorder } from "./recorder.js";
import { captureOptions, keepSettings, offer, sessionParameters } from "./settings.js";
import { textOf } from "./subtitles.js";
import { TranscriptView } from "./transcript-view.js";
import { clock, download, duration, find, make, notice } from "./ui.js";

const TYPES = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt" };
const ENDED = {
  unplugged: ["warning", "The microphone is gone. What was said until then is here."],
  ended: ["info", "The recording is at its end."],
};

const view = new TranscriptView(find("transcript"));
let recorder = null;
let finals = [];
let offset = 0; // Seconds of what was said before the session that runs.
let passing = ""; // The text of a notice that means nothing any more once the session begins, or is over.
let kept = null; // The id of the session in the history.

/** Record what `begin` opens on a recorder; where it goes on after a fault, the text so far stays. */
async function record(begin, goesOn = false) {
  recorder?.abandon();
  const mine = (recorder = new Recorder());
  if (!goesOn) finals = [];
  offset = finals.at(-1)?.end ?? 0;
  kept = null;
  if (!goesOn) view.clear();
  notice();
  showRunning(true);
  mine.onlevel = showLevel;
  mine.onended = (reason) => mine === recorder && finish(...ENDED[reason]);
  mine.onlost = (seconds) => notice("error", `There is no connection. ${duration(seconds)} of what was said are lost.`);
  try {
    await begin(mine, sessionParameters(), (session) => follow(mine, session, begin));
    offerDevices();
  } catch (error) {
    if (mine === recorder) stopWith(error, begin);
  }
}

function follow(mine, session, begin) {
  const on = (type, handler) => session.on(type, (event) => mine === recorder && handler(event));
  on("session.queued", showQueue);
  on("session.begin", ({ degraded, session_id: id }) => {
    if (find("store").checked) kept = id;
    clearPassing();
    if (degraded) notice("warning", "The server is busy: this session got a smaller model.");
  });
  on("vad.speech_start", () => showSpeech(true));
  on("vad.speech_end", () => showSpeech(false));
  on("transcript.partial", (event) => {
    view.showPartial(event);
    showTiming(event, false);
  });
  on("transcript.final", addFinal);
  on("warning", ({ code, message }) => (code === "processing_lag" ? notePassing : notice)("warning", sentence(message)));
  on("error", ({ message, recoverable }) => recoverable && notice("warning", sentence(message)));
  on("session.restarted", () => notice("warning", "The server has ended the session. Keep talking: another one goes on with it."));
  on("state", ({ state }) => showState(state));
  session.done.then(
    () => mine === recorder && showEnd(),
    (error) => mine === recorder && stopWith(error, begin),
  );
}

function addFinal({ start, end, ...rest }) {
  const event = start === undefined ? rest : { ...rest, start: start + offset, end: end + offset };
  view.addFinal(event);
  if (event.text) finals.push(event);
  find("empty").hidden = true;
  enableResults();
  showTiming(event, true);
}

async function finish(kind, text) {
  showSpeech(false);
  if (text) notice(kind, text);
  else notePassing("info", "The last words are on their way.");
  find("stop").textContent = "Do not wait";
  await recorder.stop();
}

function stopWith(error, begin) {
  recorder.abandon();
  showRunning(false);
  const again = () => record(begin, true);
  const retry = keyButton(error, again) ?? make("button", { onclick: again }, "Try again");
  const when = error.retryAfter ? ` A place may be free in ${Math.ceil(error.retryAfter)} s.` : "";
  notice("error", sentence(error.message) + when, retry);
}

// --- what is shown ---

function showRunning(isRunning) {
  find("start").hidden = find("tab").hidden = find("file-label").hidden = isRunning;
  find("stop").hidden = !isRunning;
  find("stop").textContent = "Stop";
  if (isRunning) {
    find("empty").hidden = true;
    find("kept").hidden = find("enhance").hidden = true;
    find("stop").focus();
  } else {
    showSpeech(false);
    find("level").value = 0;
    find("empty").hidden = finals.length > 0;
  }
  enableResults();
}

function showEnd() {
  showRunning(false);
  clearPassing();
  if (finals.length === 0) find("empty").hidden = false;
  if (!kept) return;
  find("kept").href = `/sessions/${encodeURIComponent(kept)}`;
  find("kept").hidden = find("enhance").hidden = false;
}

function showState(state) {
  if (state === "lost") {
    notice("warning", "The connection is lost. Keep talking: up to a minute is kept, and sent when it is back.");
  } else if (state === "open" && find("notice").querySelector(".warning")) {
    notice("info", "The connection is back. Nothing is missing.");
  }
}

function notePassing(kind, text) {
  passing = text;
  notice(kind, text);
}

function clearPassing() {
  if (find("notice").textContent === passing) notice();
}

function showQueue({ position, expected_wait: wait }) {
  const time = wait === undefined ? "" : `, in about ${duration(wait)}`;
  notePassing("info", `The server is full. You are number ${position} in the queue${time}. What you say meanwhile is kept.`);
}

function showSpeech(isSpeech) {
  find("lamp").classList.toggle("on", isSpeech);
  find("lamp").setAttribute("aria-label", isSpeech ? "Somebody speaks" : "Nobody speaks");
}

function showLevel(peak, seconds) {
  find("level").value = Math.sqrt(peak); // Quiet speech is seen too.
  find("elapsed").textContent = clock(seconds);
}

function showTiming({ timing }, isFinal) {
  if (timing) showLatency(find("latency"), timing, isFinal);
}

function enableResults() {
  for (const button of document.querySelectorAll("#copy, [data-download]")) button.disabled = finals.length === 0;
}

// --- what can be chosen ---

async function offerModels() {
  const { variants, models } = await call("/v1/models");
  const named = Object.entries(variants).map(([variant, names]) => [variant, names.length ? `${variant} (${names.join(", ")})` : variant]);
  offer(find("model"), named);
  const languages = [...new Set(models.flatMap((model) => model.languages))].sort();
  const names = new Intl.DisplayNames(undefined, { type: "language", fallback: "code" });
  const spoken = languages.filter((code) => /^[a-z]{2,3}$/.test(code)).map((code) => [code, `${names.of(code)} (${code})`]);
  offer(find("language"), [["auto", "auto"], ...spoken]);
}

async function offerDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const found = devices.filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId && label);
  offer(find("device"), [["", "the browser's choice"], ...found.map(({ deviceId, label }) => [deviceId, label])]);
}

function openFile(file) {
  if (!file) return;
  const isFast = find("pace").value === "fast";
  record((mine, ...rest) => (isFast ? mine.sendFile(file, ...rest) : mine.play(file, ...rest)));
}

async function enhance() {
  try {
    await call(`/v1/realtime/sessions/${encodeURIComponent(kept)}/enhance`, { method: "POST", body: {} });
    location.assign(find("kept").href);
  } catch (error) {
    showError(error);
  }
}

async function copy() {
  try {
    await navigator.clipboard.writeText(textOf(finals, "txt"));
    notice("info", "The text is copied.");
  } catch {
    notice("error", "The browser does not allow it. Mark the text, and copy it with the keyboard.");
  }
}

function prepare() {
  keepSettings(find("settings"));
  const microphone = (mine, ...rest) => mine.capture(() => AudioCapture.microphone(captureOptions()), ...rest);
  const tab = (mine, ...rest) => mine.capture(() => AudioCapture.tab({ channels: captureOptions().channels }), ...rest);
  find("start").onclick = () => record(microphone);
  find("tab").onclick = () => record(tab);
  find("tab").disabled = !navigator.mediaDevices?.getDisplayMedia;
  find("stop").onclick = () => {
    if (find("stop").textContent === "Stop" && recorder.session) finish();
    else { recorder.abandon(); showEnd(); }
  };
  find("file").onchange = ({ target }) => { openFile(target.files[0]); target.value = ""; };
  find("copy").onclick = copy;
  find("enhance").onclick = enhance;
  for (const button of document.querySelectorAll("[data-download]")) {
    const format = button.dataset.download;
    button.onclick = () => download(`captions.${format}`, textOf(finals, format), TYPES[format]);
  }
  document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dropping"); };
  document.ondragleave = () => document.body.classList.remove("dropping");
  document.ondrop = (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openFile(event.dataTransfer.files[0]);
  };
  addEventListener("pagehide", () => recorder?.abandon());
  navigator.mediaDevices?.addEventListener("devicechange", offerDevices);
  offerModels().catch(showError);
  offerDevices();
}

const asked = new URLSearchParams(location.search);
if (asked.get("overlay") === "1") showOverlay(asked);
else prepare();
