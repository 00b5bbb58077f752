/** Builds elements, shows notices, writes numbers for people. Texts go in as text, never as HTML. */

export const find = (id) => document.getElementById(id);

/** An element: properties by name, `class`, `data-` and `aria-` attributes, children that are text or elements. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Show a sentence above the page; kinds are "error", "warning" and "info". None takes it away. */
export function notice(kind, text, ...actions) {
  const place = find("notice");
  if (!text) {
    place.replaceChildren();
    return;
  }
  const role = kind === "error" ? "alert" : "status";
  place.replaceChildren(make("p", { class: `notice ${kind}`, role }, text, ...actions));
}

/** 3725 as `1:02:05`, 65 as `1:05`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** 3725 as `1 h 2 min`, 65 as `1 min 5 s`. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** A time as people of this browser write it. */
export function moment(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Let the browser save a text as a file. */
export function download(name, text, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
