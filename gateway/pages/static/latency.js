/** Says where the time of a result went, beside the budget. */

import { make } from "./ui.js";

const CHUNK_MS = 100; // Milliseconds of audio that are gathered before they are sent.
const BUDGET_MS = 390; // Milliseconds: the budget of 490 without the network, which nobody measures here.
const STAGES = [
  ["routing", 10, ["routing", "gateway"]],
  ["audio", 100, []],
  ["VAD", 20, ["receiver", "vad_queue", "vad"]],
  ["model", 250, ["asr_queue", "asr"]],
  ["text", 10, ["assembler_queue", "assembler", "sender_queue", "sender"]],
];

/** Write the line for the `timing` of a result, in milliseconds. */
export function showLatency(place, timing, isFinal) {
  const costs = STAGES.map(([name, budget, keys]) => [name, budget, keys.length ? sum(timing, keys) : CHUNK_MS]);
  const total = costs.reduce((all, [, , cost]) => all + cost, 0);
  const parts = costs.map(([name, budget, cost]) => part(`${name} ${Math.round(cost)}/${budget}`, cost > budget));
  const wait = isFinal && timing.endpoint_wait ? `, after ${Math.round(timing.endpoint_wait)} ms of silence` : "";
  const kind = isFinal ? "final" : "partial";
  place.hidden = false;
  place.replaceChildren(
    part(`Latency ${Math.round(total)} ms`, total > BUDGET_MS),
    ` of ${BUDGET_MS} (${kind}${wait}):`,
    ...parts.flatMap((each, index) => [index ? " · " : " ", each]),
  );
}

function part(text, isOver) {
  return make("span", { class: isOver ? "over" : "" }, text);
}

function sum(timing, keys) {
  return keys.reduce((total, key) => total + (timing[key] ?? 0), 0);
}
