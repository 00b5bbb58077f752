// Plays scenes through the realtime client of @elevenlabs/client, which is for browsers: it has a token.

import { setTimeout as sleep } from "node:timers/promises";
import { load, main, paced, QUIET_MS, ws } from "./scene.mjs";

globalThis.WebSocket ??= (await load("ws")).default; // Node has one of its own from version 22 on.
const { CommitStrategy, RealtimeEvents, Scribe } = await load("@elevenlabs/client");

async function token(scene) {
  const headers = { "xi-api-key": scene.key };
  const answer = await fetch(`${scene.url}/v1/single-use-token/realtime_scribe`, { method: "POST", headers });
  if (!answer.ok) throw new Error(`no token: HTTP ${answer.status}`);
  return (await answer.json()).token;
}

async function send(connection, scene) {
  for await (const chunk of paced(scene)) connection.send({ audioBase64: chunk.toString("base64") });
  connection.commit();
}

async function play(scene, heard) {
  const connection = Scribe.connect({
    baseUri: ws(scene),
    token: await token(scene),
    modelId: "fast",
    audioFormat: scene.encoding === "mulaw" ? "ulaw_8000" : `pcm_${scene.rate}`,
    sampleRate: scene.rate,
    languageCode: "en",
    commitStrategy: scene.manual ? CommitStrategy.MANUAL : CommitStrategy.VAD,
    vadSilenceThresholdSecs: 0.5,
    ...(scene.flags ? { minSpeechDurationMs: 50 } : {}),
  });
  let [isSent, last] = [false, 0];
  const failed = new Promise((_, reject) => connection.on(RealtimeEvents.ERROR, reject));
  const started = new Promise((resolve) => connection.on(RealtimeEvents.SESSION_STARTED, resolve));
  connection.on(RealtimeEvents.COMMITTED_TRANSCRIPT, ({ text }) => {
    heard.final(text);
    heard.answers += isSent ? 1 : 0;
    last = performance.now();
  });
  await Promise.race([started, failed]);
  await Promise.race([send(connection, scene), failed]);
  [isSent, last] = [true, performance.now()];
  while (!heard.answers || performance.now() - last < QUIET_MS) await Promise.race([sleep(100), failed]);
  connection.close();
}

await main(play);
