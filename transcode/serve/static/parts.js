// What the pages share: asking the server, words for people, a result's bill and files.

const OPEN = new Set(["waiting", "running", "lost", "retrying"]);
// Who asks, and where a file of a result is to be had.
export const entry = { token: "", refused() {}, failed() {}, at: (report, path) => `/jobs/${report.job_id}/files/${path}` };

export function el(name, about = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((one) => one !== null && one !== undefined));
  return made;
}

export async function ask(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  if (entry.token) headers.Authorization = `Bearer ${entry.token}`;
  if (typeof options.body === "string") headers["Content-Type"] = "application/json";
  const reply = await fetch(path, { ...options, headers, cache: "no-store" });
  if (reply.ok) return reply;
  const problem = await reply.json().catch(() => ({ message: reply.statusText }));
  if (reply.status === 401) entry.refused();
  throw Object.assign(new Error(problem.message), { status: reply.status });
}
export const json = async (path, options) => (await ask(path, options)).json();

// ── words ──
export const seconds = (value) => value == null ? "" : value < 60 ? `${Number(value.toPrecision(3))} s`
  : `${Math.floor(value / 60)} min ${String(Math.round(value % 60)).padStart(2, "0")} s`;
export const bytes = (value) => value == null ? "" : value < 1e3 ? `${value} B` : value < 1e6 ? `${(value / 1e3).toFixed(0)} kB`
  : value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(2)} GB`;
export const mib = (value) => value == null ? "" : `${Math.round(value / 2 ** 20)} MiB`;
export function money(amount, currency) {
  const value = Number(amount);
  const digits = value === 0 ? 2 : Math.min(12, Math.max(2, 2 - Math.floor(Math.log10(value))));
  return el("span", { title: `${amount} ${currency}` }, `${value.toFixed(digits)} ${currency}`);
}
export const nameOf = (uri) => { try { return decodeURIComponent(uri.split("/").pop()) || uri; } catch { return uri; } };
export const when = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const look = (status) => status === "succeeded" ? "good" : OPEN.has(status) ? "busy" : "bad";
export const spec = (it) => `${it.memory_mib} MiB, ${it.milli_cpus / 1000} vCPU`;
// On a phone a row is a card with what each cell is; in *manner*
// "dense" its last cell is below the others, in "line" all are below the first.
export function grid(caption, heads, rows, manner = "cards") {
  const cell = (one, n) => {
    const made = one instanceof Node && (one.tagName === "TD" || one.tagName === "TH") ? one
      : el(n ? "td" : "th", n ? {} : { scope: "row" }, one ?? "");
    if (n) made.dataset.head = heads[n];
    return made;
  };
  return el("div", { class: `scroll ${manner}`, tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", { class: "away" }, caption),
      el("thead", {}, el("tr", {}, ...heads.map((head, n) => el("th", { scope: "col", class: rows[0]?.[n]?.className === "number" && "number" }, head)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell))))));
}
export const off = (actual, predicted) => { const share = Math.round(100 * (actual / predicted - 1)); return `${share > 0 ? "+" : ""}${share} %`; };
export const number = (one) => el("td", { class: "number" }, one);

export function bill(manifest) {
  const rows = manifest.tasks.flatMap((task) => task.attempts.map((one) => [
    `${task.kind} ${one.number}`, spec(one.spec), el("td", { class: look(one.outcome === "succeeded" ? "succeeded" : "failed") }, one.outcome),
    number(`${seconds(one.predicted.wall_seconds)} / ${seconds(one.measured?.wall_seconds)}`),
    number(`${mib(one.predicted.peak_memory_bytes)} / ${mib(one.measured?.peak_memory_bytes)}`), number(money(one.cost.amount, one.cost.currency))]));
  const { cost } = manifest, far = Number(cost.predicted) ? ` (${off(cost.amount, cost.predicted)})` : "";
  if (!rows.length && !Number(cost.amount)) return [el("h2", {}, "Bill"), el("p", {}, "Nothing was attempted, and nothing spent.")];
  return [el("h2", {}, "Bill"), grid("Attempts", ["Task, try", "Spec", "Outcome", "Time, predicted / measured", "Memory, predicted / measured", "Cost"], rows),
    el("p", {}, el("strong", {}, money(cost.amount, cost.currency)), ", predicted ", money(cost.predicted, cost.currency), far)];
}

export const pathIn = (report, uri) => uri.startsWith(report.manifest.location) ? uri.slice(report.manifest.location.length).replace(/^\//, "") : null;
export const fileOf = (report, path) => entry.at(report, path);
export async function save(report, path) {
  const held = URL.createObjectURL(await (await ask(fileOf(report, path))).blob());
  el("a", { href: held, download: path.split("/").pop() }).click();
  setTimeout(() => URL.revokeObjectURL(held), 60000);
}
export function results(report) {
  const kept = report.manifest.outputs.filter((one) => one.kind !== "segment" && !one.uri.endsWith("/iframes.m3u8"));
  if (report.status !== "succeeded") return [];
  const rows = kept.map((one) => {
    const path = pathIn(report, one.uri), name = path ?? one.uri;
    const link = path === null ? name : el("a", { href: fileOf(report, path), onclick: (event) => { event.preventDefault(); save(report, path).catch(entry.failed); } }, name);
    return [link, one.kind, one.video ? `${one.video.codec} ${one.video.width}×${one.video.height}` : one.audio ? `${one.audio.codec} ${one.audio.language || ""}` : "", one.made_by, number(bytes(one.media_bytes ?? one.bytes))];
  });
  return [el("h2", {}, "Results"), el("p", { class: "quiet" }, report.manifest.location), grid("Results", ["Name", "Kind", "What", "Made", "Size"], rows, "line")];
}
