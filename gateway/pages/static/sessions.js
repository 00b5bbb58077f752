/** Is the page of all sessions: searches what was said, filters, and shows those that run on top. */

import { call, showError } from "./api.js";
import { duration, find, make, moment, notice } from "./ui.js";

const FIELDS = ["search", "status", "speaker", "begun_after", "begun_before"];
const LIVE_MS = 5_000; // Milliseconds between two looks at what runs.
const PATH = "/v1/realtime/sessions";
const MAX_HITS = 3; // Hits of a session that are shown here; its page has all.
const MAX_EMPTY = 20; // Pages without a session that are passed over for one request: a search looks through many.

let cursor = null;
let asked = 0; // The number of the newest search: answers to older ones come too late.

function wishes() {
  const wanted = FIELDS.map((name) => [name, find(name).value.trim()]).filter(([, value]) => value);
  return new URLSearchParams(wanted);
}

async function search() {
  const wanted = wishes();
  history.replaceState(null, "", wanted.size ? `?${wanted}` : location.pathname);
  find("past").querySelector("ul").replaceChildren();
  cursor = null;
  notice();
  await Promise.all([more(), showLive()]);
}

/** Add the next page; one without a session is passed over. */
async function more() {
  const mine = (asked += 1);
  const list = find("past").querySelector("ul");
  find("more").hidden = true;
  find("empty").hidden = true;
  try {
    for (let page = 0; page < MAX_EMPTY; page += 1) {
      const wanted = wishes();
      if (wanted.has("begun_before")) wanted.set("begun_before", dayAfter(wanted.get("begun_before")));
      if (cursor) wanted.set("cursor", cursor);
      const { sessions, next_cursor: next } = await call(`${PATH}?${wanted}`);
      if (mine !== asked) return;
      cursor = next ?? null;
      const shown = sessions.filter(({ status }) => status !== "active" || find("status").value === "active");
      list.append(...shown.map(card));
      if (shown.length || !cursor) break;
    }
    showRest(list);
  } catch (error) {
    if (mine === asked) showError(error);
  }
}

function showRest(list) {
  find("more").hidden = !cursor;
  find("empty").hidden = list.childElementCount > 0 || Boolean(cursor);
  find("empty").replaceChildren(...(wishes().size ? ["Nothing was found."] : [
    "No session is kept yet. Switch on “Save to the history” among the settings of ",
    make("a", { href: "/" }, "live captions"),
    ".",
  ]));
}

/** What runs now, unless something is looked for. */
async function showLive() {
  const { sessions } = wishes().size ? { sessions: [] } : await call(`${PATH}?status=active&limit=20`).catch(() => ({ sessions: [] }));
  find("live").querySelector("ul").replaceChildren(...sessions.map(card));
  find("live").hidden = sessions.length === 0;
  find("earlier").hidden = sessions.length === 0 || find("past").querySelector("li") === null;
}

function card(session) {
  const { session_id: id, title, begun_at: begun, audio_seconds: seconds, words, status, speakers, hits } = session;
  const names = Object.values(speakers ?? {}).join(", ");
  const model = [session.variant ?? session.model, session.language].filter(Boolean).join(" · ");
  const facts = [title && moment(begun), duration(seconds), `${words} ${words === 1 ? "word" : "words"}`, model, names];
  return make(
    "li",
    { class: "card" },
    make("a", { href: `/sessions/${id}`, class: "title" }, title || moment(begun)),
    make("span", { class: `chip ${status}` }, status),
    make("p", { class: "hint" }, facts.filter(Boolean).join(" · ")),
    ...(hits ?? []).slice(0, MAX_HITS).map((hit) => hitLine(id, hit)),
  );
}

function hitLine(id, { start, parts }) {
  const place = start === undefined ? "" : `#t=${Math.floor(start)}`;
  const texts = parts.map(({ text, hit }) => (hit ? make("mark", {}, text) : text));
  return make("p", { class: "hit" }, make("a", { href: `/sessions/${id}${place}` }, ...texts));
}

/** Until the end of a day. */
function dayAfter(day) {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}

const given = new URLSearchParams(location.search);
for (const name of FIELDS) find(name).value = given.get(name) ?? "";
find("filters").onsubmit = (event) => { event.preventDefault(); search(); };
find("status").onchange = search;
find("more").onclick = more;
setInterval(() => { if (!document.hidden) showLive(); }, LIVE_MS);
search();
