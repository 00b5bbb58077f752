// Plays scenes through the live client of @deepgram/sdk.

import { load, main, paced, ws } from "./scene.mjs";

const { DeepgramClient } = await load("@deepgram/sdk");
const KEEP_ALIVE_MS = 3_000;

async function send(connection, scene) {
  const keeping = setInterval(() => connection.sendKeepAlive({ type: "KeepAlive" }), KEEP_ALIVE_MS);
  for await (const chunk of paced(scene)) connection.sendMedia(chunk);
  clearInterval(keeping);
  if (scene.flush) connection.sendFinalize({ type: "Finalize" });
  connection.sendCloseStream({ type: "CloseStream" });
}

async function play(scene, heard) {
  const environment = { base: scene.url, production: ws(scene), agent: ws(scene), agentRest: scene.url };
  const client = new DeepgramClient({ apiKey: scene.key, environment, reconnect: false });
  const connection = await client.listen.v1.connect({
    model: "fast",
    language: "en-US",
    encoding: scene.encoding === "mulaw" ? "mulaw" : "linear16",
    sample_rate: scene.rate,
    punctuate: "true",
    interim_results: "true",
    endpointing: 500,
    ...(scene.flags ? { diarize: "true", numerals: "true" } : {}),
  });
  const kinds = [];
  connection.on("message", (message) => {
    kinds.push(message.type);
    if (message.type !== "Results" || !message.is_final) return;
    heard.final(message.channel.alternatives[0].transcript);
    heard.answers += message.from_finalize ? 1 : 0;
  });
  const closed = new Promise((resolve) => connection.on("close", resolve));
  const failed = new Promise((_, reject) => connection.on("error", reject));
  connection.connect();
  await Promise.race([connection.waitForOpen(), failed]);
  await Promise.race([send(connection, scene), failed]);
  const { code } = await closed;
  if (code !== 1000 || kinds.at(-1) !== "Metadata") throw new Error(`closed with ${code} behind ${kinds.at(-1)}`);
}

await main(play);
