/** Makes files of finals: plain text, SubRip, WebVTT. */

const MIN_CUE_S = 0.5; // Seconds for which a cue is shown at least.

/** The content of a file; `finals` have `text`, `start` and `end` in seconds. */
export function textOf(finals, format) {
  if (format === "txt") return finals.map(({ text }) => `${text}\n`).join("");
  const cues = finals.map((final, index) => {
    const next = finals[index + 1]?.start ?? Infinity;
    const end = Math.min(Math.max(final.end, final.start + MIN_CUE_S), Math.max(next, final.end));
    const times = [final.start, end].map((time) => stamp(time, format === "srt" ? "," : "."));
    return `${format === "srt" ? `${index + 1}\n` : ""}${times.join(" --> ")}\n${cueText(final.text, format)}\n`;
  });
  return (format === "vtt" ? ["WEBVTT\n", ...cues] : cues).join("\n");
}

function stamp(seconds, point) {
  const whole = Math.round(seconds * 1000);
  const pad = (number, digits) => String(number).padStart(digits, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3_600_000), Math.floor(whole / 60_000) % 60, whole % 60_000];
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(Math.floor(rest / 1000), 2)}${point}${pad(rest % 1000, 3)}`;
}

/** In WebVTT some characters have a meaning. */
function cueText(text, format) {
  const plain = text.replaceAll("-->", "→");
  return format === "vtt" ? plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;") : plain;
}
