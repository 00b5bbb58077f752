/** Is the page of operators: workers, stages, sessions and keys, kept up to date by one stream. */

import { call, eventsOf, showError } from "./api.js";
import { Window, together } from "./figures.js";
import { duration, find, make, moment, notice } from "./ui.js";

const EVENTS = "/v1/realtime/operator/events";
const AGAIN_MS = 2_000; // Milliseconds until a stream that broke is opened again.
const STAGES = { receiver: null, vad: 20, asr: 250, assembler: null, sender: 10 }; // Milliseconds of the budget.
const FINAL_MS = 280; // Milliseconds of the budget of a final in a worker: those of its stages.

const windows = new Map();
let pending = null; // The worker whose drain is being changed.

async function watch() {
  for (;;) {
    try {
      for await (const event of eventsOf(EVENTS)) show(event);
      notice("warning", "The gateway goes away. This page connects again.");
    } catch (error) {
      showError(error);
      if (error.status === 401 || error.status === 403) return;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function show(event) {
  notice(event.problem && "error", event.problem && `The workers are not known now: ${event.problem}.`);
  showTotals(event);
  showWorkers(event);
  showStages(event.figures ?? {});
  showSessions(event.sessions ?? []);
  const counts = (found, what) => Object.entries(found).map(([reason, number]) => `${what} ${reason}: ${number}`);
  const { ended, refused } = event.gateway;
  find("ends").textContent = [...counts(ended, "ended"), ...counts(refused, "refused with HTTP")].join(" · ") || "None so far.";
}

function showTotals({ status, gateway }) {
  const facts = [
    ["State", status.status.replace("_", " ")],
    ["Sessions", `${status.active_sessions} of ${status.total_capacity}`],
    ["Workers", `${status.ready_workers} of ${status.worker_count} ready`],
    ["Waiting here", gateway.queued],
    ["Connections here", gateway.connections],
  ];
  find("totals").replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, `${value}`))));
}

function showWorkers({ workers = [], figures = {} }) {
  if (find("workers").contains(document.activeElement) && pending === null) {
    // A table that is made anew would take the focus away from who uses the keyboard.
    const row = document.activeElement.closest("tr")?.dataset.worker;
    fill(workers, figures);
    find("workers").querySelector(`tr[data-worker="${CSS.escape(row)}"] button`)?.focus();
  } else fill(workers, figures);
}

function fill(workers, figures) {
  const rows = workers.map((worker) => workerRow(worker, figures[worker.worker_id]));
  find("workers").replaceChildren(...(rows.length ? rows : [make("tr", {}, make("td", { colSpan: 8 }, "No worker is there."))]));
}

function workerRow(worker, figures) {
  const { worker_id: id, status, active_sessions: active, capacity, models = [], lag, problem } = worker;
  const memory = worker.gpu_memory_used ? `${worker.gpu_memory_used} of ${worker.gpu_memory_total}` : "–";
  const batch = figures && windowOf(`batch ${id}`, figures.batches).mean;
  const numbers = [`${active} of ${capacity}`, `${lag.toFixed(1)} s`, memory, batch ? batch.toFixed(1) : "–"];
  const [sessions, late, gpu, size] = numbers.map((text) => make("td", { class: "number" }, text));
  return make(
    "tr",
    { "data-worker": id },
    make("th", { scope: "row" }, id, problem && make("p", { class: "hint" }, problem)),
    make("td", {}, make("span", { class: `chip ${status}` }, status)),
    sessions,
    make("td", { class: "names" }, models.join(", ")),
    late,
    gpu,
    size,
    make("td", {}, drainButton(id, status)),
  );
}

function drainButton(id, status) {
  if (status === "offline") return "";
  const isDraining = status === "draining";
  return make("button", { disabled: pending === id, onclick: () => drain(id, isDraining) }, isDraining ? "Undrain" : "Drain");
}

async function drain(id, isDraining) {
  pending = id;
  try {
    await call(`/v1/realtime/workers/${encodeURIComponent(id)}/drain`, { method: isDraining ? "DELETE" : "POST" });
  } catch (error) {
    showError(error);
  }
  pending = null;
}

function showStages(figures) {
  const all = Object.values(figures);
  const measured = (name, counterOf) => windowOf(name, together(all.map(counterOf).filter(Boolean)));
  const rows = Object.entries(STAGES).map(([stage, budget]) => {
    const [waiting, seconds] = ["queues", "seconds"].map((kind) => measured(`${kind} ${stage}`, (each) => each[kind]?.[stage]));
    return timeRow(stage, waiting.mean, seconds, budget);
  });
  const finals = measured("finals", (each) => each.finals);
  find("stages").replaceChildren(...rows, timeRow("time to final, after the silence", null, finals, FINAL_MS));
}

function timeRow(name, waiting, seconds, budget) {
  const times = [0.5, 0.95].map((share) => seconds.quantile(share)).map((value) => value === null ? null : value * 1000);
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    make("td", { class: "number" }, waiting === null ? "–" : waiting.toFixed(1)),
    ...times.map((time) => make("td", { class: `number ${budget && time > budget ? "over" : ""}` }, time === null ? "–" : `${time.toFixed(0)} ms`)),
    make("td", { class: "number" }, budget ? `${budget} ms` : "–"),
  );
}

function showSessions(sessions) {
  const rows = sessions.map(({ session_id: id, worker_id: worker, audio_seconds: seconds, lag }) => make(
    "tr",
    {},
    make("th", { scope: "row" }, make("a", { href: `/sessions/${id}` }, id.slice(0, 8))),
    make("td", {}, worker),
    make("td", { class: "number" }, duration(seconds)),
    make("td", { class: `number ${lag > 3 ? "over" : ""}` }, `${lag.toFixed(1)} s`),
  ));
  find("sessions").replaceChildren(...(rows.length ? rows : [make("tr", {}, make("td", { colSpan: 4 }, "No session runs here."))]));
}

/** The window of a counter, with what it is now. */
function windowOf(name, counter) {
  const found = windows.get(name) ?? windows.set(name, new Window()).get(name);
  found.add(counter);
  return found;
}

async function showKeys() {
  const { keys } = await call("/v1/keys");
  find("keys").hidden = keys.length === 0;
  const rows = keys.map(({ name, scopes, last_used_at: used, revoked_at: revoked }) => make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    make("td", {}, scopes.join(", ")),
    make("td", {}, used ? moment(used) : "never"),
    make("td", {}, revoked ? "revoked" : "valid"),
  ));
  find("keys").querySelector("tbody").replaceChildren(...rows);
}

watch();
showKeys().catch(() => {}); // A server without keys has no such list.
