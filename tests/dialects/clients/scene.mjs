// Runs the scenes that a driver for Node is given, all at once, and prints what its client heard.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const CHUNK_S = 0.05; // Seconds of audio in each message.
export const QUIET_MS = 5_000; // Milliseconds without an event, where a protocol has no end.
const LONGEST_MS = 90_000; // Milliseconds until a scene that hangs is given up.

const require = createRequire(`${process.cwd()}/`);

/** Imports a package of the folder in which the driver was started. */
export const load = (name) => import(pathToFileURL(require.resolve(name)));

/** The address of a scene for WebSockets. */
export const ws = (scene) => scene.url.replace("http", "ws");

/** Yields the audio in messages, at the pace of the scene. */
export async function* paced(scene) {
  const data = readFileSync(scene.audio);
  const size = Math.round(scene.rate * CHUNK_S) * (scene.encoding === "mulaw" ? 1 : 2);
  await sleep(1000 * (scene.idle ?? 0));
  const begin = performance.now();
  for (let at = 0; at < data.length; at += size) {
    const due = begin + (1000 * (at / size) * CHUNK_S) / scene.pace;
    await sleep(Math.max(0, due - performance.now()));
    yield data.subarray(at, at + size);
  }
}

class ClientHeard {
  finals = [];
  answers = 0;

  final(text) {
    if (text?.trim()) this.finals.push(text.trim());
  }
}

async function run(play, scene) {
  const heard = new ClientHeard();
  const late = new AbortController();
  let error = null;
  try {
    const tooLong = sleep(LONGEST_MS, null, { signal: late.signal }).then(() => {
      throw new Error("the scene does not end");
    });
    await Promise.race([play(scene, heard), tooLong]);
  } catch (failure) {
    error = String(failure?.message ?? failure?.error?.message ?? failure);
  }
  late.abort();
  return [scene.name, { finals: heard.finals, answers: heard.answers, error }];
}

/** Plays the scenes in the file that the command line names; the last line printed is the result. */
export async function main(play) {
  const scenes = JSON.parse(readFileSync(process.argv[2]));
  const wholes = scenes.map((scene) => ({ rate: 16_000, encoding: "pcm", flush: true, pace: 4, ...scene }));
  const results = await Promise.all(wholes.map((scene) => run(play, scene)));
  console.log(JSON.stringify(Object.fromEntries(results)));
  process.exit(0);
}
