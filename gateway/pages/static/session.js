/** Is the page of one session: its text and sound, its speakers and jobs; one that runs is followed. */

import { call, showError } from "./api.js";
import { Player } from "./player.js";
import { showSpeakers } from "./speakers.js";
import { TranscriptList } from "./transcript-list.js";
import { download, duration, find, make, moment, notice } from "./ui.js";

const LOOK_MS = 1_500; // Milliseconds between two looks at a session or a job that runs.
const JOB_ENDS = ["done", "failed", "cancelled"];

const id = location.pathname.split("/")[2];
const path = `/v1/realtime/sessions/${encodeURIComponent(id)}`;
const list = new TranscriptList(find("transcript"));
const player = new Player(path);
let session = null;
let texts = { live: [], enhanced: [] };

async function show() {
  session = await call(path);
  showFacts();
  if (session.status === "active") await follow();
  else await Promise.all([showTexts(), showPlayer(), showJobs()]);
  const place = /^#t=(\d+)/.exec(location.hash);
  if (place) player.seek(Number(place[1]), false);
}

function showFacts() {
  const { title, begun_at: begun, audio_seconds: seconds, words, model, language, status, reason, errors, missing } = session;
  document.title = find("title").textContent = title || `Session of ${moment(begun)}`;
  const facts = [title && moment(begun), duration(seconds), `${words} words`, model, language];
  find("facts").replaceChildren(make("span", { class: `chip ${status}` }, status), ` ${facts.filter(Boolean).join(" · ")}`);
  const isOver = status !== "active";
  find("enhance").hidden = !isOver;
  find("delete").disabled = !isOver;
  const trouble = (errors ?? []).map(({ message }) => message).join(" ") || (status === "lost" && "The server lost it, and nobody went on.");
  if (trouble) notice("warning", `It ended by a fault (${reason ?? status}). ${trouble}`);
  else if (missing && Object.keys(missing).length) notice("warning", `Not all of it could be kept: ${Object.keys(missing).join(", ")}.`);
}

/** Look again and again at a session that runs, and show what is new. */
async function follow() {
  notice("info", "This session runs. What is said appears here.");
  let shown = 0;
  while (session.status === "active") {
    const { utterances } = await call(`${path}/transcript?source=live`);
    list.append(utterances.slice(shown));
    shown = utterances.length;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!document.hidden) session = await call(path);
  }
  notice("info", "The session is over.");
  showFacts();
  await Promise.all([showTexts(), showPlayer(), showJobs()]);
}

async function showTexts() {
  const [live, enhanced] = await Promise.all(["live", "enhanced"].map((source) => call(`${path}/transcript?source=${source}`)));
  texts = { live: live.utterances, enhanced: enhanced.utterances };
  find("compare-label").hidden = !(texts.live.length && texts.enhanced.length);
  showText();
}

function showText() {
  const best = texts.enhanced.length ? texts.enhanced : texts.live;
  showSpeakers(best, session.speakers ?? {}, path, (label) => list.colourOf(label), renameSpeaker);
  if (find("compare").checked && !find("compare-label").hidden) list.compare(texts.live, texts.enhanced);
  else list.show(best);
  find("empty").hidden = best.length > 0;
}

async function showPlayer() {
  find("player").hidden = !(await player.load());
  player.show();
  player.onmove = (seconds) => list.light(seconds);
  list.onseek = (seconds) => find("player").hidden || player.seek(seconds);
}

// --- jobs ---

async function showJobs() {
  const { jobs } = await call(`${path}/jobs`);
  if (!jobs.length) return;
  let [job] = jobs;
  const wasOver = JOB_ENDS.includes(job.status);
  showJob(job);
  while (!JOB_ENDS.includes(job.status)) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    job = await call(`/v1/audio/transcriptions/${job.job_id}`);
    showJob(job);
  }
  if (!wasOver) {
    session = await call(path);
    await showTexts();
  }
}

function showJob({ job_id: job, status, percent, stage, reason, stages = [] }) {
  const goesOn = !JOB_ENDS.includes(status);
  find("enhance").hidden = goesOn;
  find("job").hidden = false;
  const skipped = stages.filter((each) => each.status === "skipped" && each.reason);
  find("job").replaceChildren(make(
    "div",
    {},
    make("h2", {}, `Enhancement: ${status}`),
    goesOn && make("progress", { max: 100, value: percent, "aria-label": "Progress" }),
    (goesOn || reason) && make("p", { class: "hint" }, goesOn ? `${Math.round(percent)} %${stage ? `, ${stage}` : ""}` : reason),
    ...skipped.map(({ name, reason: why }) => make("p", { class: "hint" }, `Left out: ${name} (${why})`)),
    goesOn && make("button", { onclick: attempt(() => call(`/v1/audio/transcriptions/${job}`, { method: "DELETE" })) }, "Cancel"),
  ));
}

async function enhance() {
  await call(`${path}/enhance`, { method: "POST", body: {} });
  notice();
  await showJobs();
}

// --- changes ---

async function renameSpeaker(label, name) {
  try {
    session = await call(path, { method: "PATCH", body: { speakers: { [label]: name } } });
    notice("info", "The name is kept.");
  } catch (error) {
    showError(error);
  }
  for (const each of [...texts.live, ...texts.enhanced]) {
    if (each.speaker) each.speaker_name = session.speakers?.[each.speaker];
  }
  showText();
}

async function rename() {
  const input = make("input", { id: "new-title", value: session.title ?? "" });
  const wanted = await ask("Rename the session", [make("label", { htmlFor: "new-title" }, "Title"), input], "Rename");
  if (!wanted) return;
  session = await call(path, { method: "PATCH", body: { title: input.value.trim() || null } });
  showFacts();
}

async function remove() {
  const text = "Its text, its recording and its jobs are gone for good.";
  if (!(await ask("Delete this session?", [make("p", {}, text)], "Delete", "danger"))) return;
  await call(path, { method: "DELETE" });
  location.assign("/sessions");
}

async function save(format) {
  const answer = await call(`${path}/export/${format}`, { raw: true });
  download(`${session.title || id}.${format}`, await answer.text(), answer.headers.get("content-type"));
}

/** A question in a dialog; whether it was answered with yes. */
function ask(title, content, yes, kind = "primary") {
  const dialog = make(
    "dialog",
    { "aria-labelledby": "question" },
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "question" }, title),
      ...content,
      make("div", { class: "row" }, make("button", { value: "yes", class: kind }, yes), make("button", { value: "no" }, "Cancel")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    };
  });
}

function showGone() {
  player.stop();
  notice("error", "This session is not there: it was deleted, never kept, or belongs to another key.");
  for (const each of document.querySelectorAll("main > :not(h1, #notice)")) each.hidden = true;
}

/** Do something, and show what goes wrong as a sentence. */
function attempt(act) {
  return async () => {
    if (find("notice").querySelector(".error")) notice();
    try {
      await act();
    } catch (error) {
      if (error.code === "unknown_session") showGone();
      else showError(error);
    }
  };
}

for (const button of document.querySelectorAll("[data-export]")) button.onclick = attempt(() => save(button.dataset.export));
find("compare").onchange = showText;
find("rename").onclick = attempt(rename);
find("enhance").onclick = attempt(enhance);
find("delete").onclick = attempt(remove);
attempt(show)();
