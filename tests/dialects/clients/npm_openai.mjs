// Plays scenes through the realtime client of the npm package openai, which always wants TLS.

import { setTimeout as sleep } from "node:timers/promises";
import { load, main, paced, QUIET_MS } from "./scene.mjs";

const { OpenAI } = await load("openai");
const { OpenAIRealtimeWS } = await load("openai/realtime/ws");
const ITEM = "conversation.item.input_audio_transcription.";

function update(scene) {
  const turns = { type: "server_vad", threshold: 0.5, silence_duration_ms: 500 };
  const input = {
    format: scene.encoding === "mulaw" ? { type: "audio/pcmu" } : { type: "audio/pcm", rate: scene.rate },
    transcription: { model: "fast", language: "en" },
    turn_detection: scene.manual ? null : turns,
    ...(scene.flags ? { noise_reduction: { type: "near_field" }, no_such_field: 1 } : {}),
  };
  return { type: "session.update", session: { type: "transcription", audio: { input } } };
}

async function send(connection, scene) {
  for await (const chunk of paced(scene))
    connection.send({ type: "input_audio_buffer.append", audio: chunk.toString("base64") });
  if (scene.flush) connection.send({ type: "input_audio_buffer.commit" });
}

async function play(scene, heard) {
  const client = new OpenAI({ apiKey: scene.key, baseURL: `${scene.url}/v1` });
  const connection = new OpenAIRealtimeWS({ model: "fast" }, client);
  const failed = new Promise((_, reject) => connection.on("error", reject));
  const created = new Promise((resolve) => connection.on("session.created", resolve));
  const deltas = {};
  let [isSent, last] = [false, performance.now()];
  connection.on("event", () => (last = performance.now()));
  connection.on(`${ITEM}delta`, (event) => {
    deltas[event.item_id] = (deltas[event.item_id] ?? "") + event.delta;
  });
  connection.on(`${ITEM}completed`, (event) => {
    heard.final((deltas[event.item_id] ?? "") === event.transcript ? event.transcript : "THE DELTAS DIFFER");
    heard.answers += isSent ? 1 : 0;
  });
  await Promise.race([created, failed]);
  connection.send(update(scene));
  await Promise.race([send(connection, scene), failed]);
  [isSent, last] = [true, performance.now()];
  while (performance.now() - last < QUIET_MS) await Promise.race([sleep(100), failed]);
  connection.close();
}

await main(play);
