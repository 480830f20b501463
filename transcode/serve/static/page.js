// The page: what the API says, kept up to date by its events. Nothing is loaded from elsewhere.
import { play } from "/player.js";
import { ask, bill, bytes, el, entry, grid, json, look, money, nameOf, number, off, results, seconds, spec, when } from "/parts.js";

const $ = (id) => document.getElementById(id);
const OPEN = new Set(["waiting", "running", "lost", "retrying"]);
entry.token = sessionStorage.getItem("token") || "";
const known = new Set();
let next = null, shown = null, stop = null, refreshing = 0;


function say(text, bad = false) {
  $("said").textContent = text;
  $("said").classList.toggle("bad", bad);
}
// Who has shown no token yet did nothing wrong.
const fail = (error) => error.status === 401 ? say(entry.token && "This token is not the server's.", true) : say(error.message, true);
entry.failed = fail;
entry.refused = () => letIn();

// ── jobs ──
function row(job) {
  const link = el("a", { href: `#/job/${job.job_id}` }, nameOf(job.source));
  const bar = OPEN.has(job.status) ? el("progress", { id: `p-${job.job_id}`, max: "1", "aria-label": `Progress of ${nameOf(job.source)}`, hidden: job.status !== "running" }) : null;
  return el("tr", {}, el("th", { scope: "row" }, link, bar),
    el("td", { class: look(job.status) }, job.status), el("td", {}, job.profile),
    el("td", {}, when(job.submitted_at)), el("td", {}, seconds(job.wall_seconds)),
    el("td", { class: "number" }, ...job.cost.map((one) => money(one.amount, one.currency))));
}

async function list(more = false) {
  const query = new URLSearchParams({ limit: "50" });
  for (const name of ["status", "tag", "source", "profile"]) if ($(`f-${name}`).value) query.append(name, $(`f-${name}`).value);
  if (more && next) query.set("cursor", next);
  const page = await json(`/jobs?${query}`);
  const held = document.activeElement?.getAttribute?.("href");
  if (!more) $("rows").replaceChildren();
  $("rows").append(...page.jobs.map(row));
  if (held && !more) $("rows").querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
  next = page.next;
  $("more").hidden = !next;
  $("none").hidden = $("rows").childElementCount > 0;
}

// ── one job ──
async function job(id, again = false) {
  const report = await json(`/jobs/${id}`);
  const fresh = shown !== report.job_id || !again;
  shown = report.job_id;
  $("job-head").textContent = nameOf(report.submission.source.uri);
  $("job-status").replaceChildren(el("strong", { class: look(report.status) }, report.status), report.detail ? `: ${report.detail}` : "");
  $("cancel").hidden = !OPEN.has(report.status);
  $("retry").hidden = !["failed", "cancelled", "rejected"].includes(report.status);
  const { submission: told, manifest } = report, body = [];
  const facts = [["Source", told.source.uri], ["Profile", told.profile.name], ["Submitted", when(told.submitted_at)], ["Tries", String(report.tries)], ["Job", report.job_id]];
  const tags = Object.entries(told.tags).map(([key, value]) => `${key}=${value}`).join(", ");
  if (tags) facts.push(["Tags", tags]);
  body.push(el("dl", {}, ...facts.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)])));
  if (manifest?.error && !report.detail?.includes(manifest.error.message)) body.push(el("h2", {}, "Why it failed"), el("p", { class: "bad" }, `${manifest.error.type}: ${manifest.error.message}`));
  if (manifest) body.push(...bill(manifest), ...results(report));
  const plan = await planOf(report);
  if (plan) body.push(...planned(plan.plan, plan.kept));
  $("job-body").replaceChildren(...body);
  if (fresh) { $("job-player").replaceChildren(); $("job-progress").replaceChildren(); }
  if (OPEN.has(report.status) === false) $("job-progress").replaceChildren();
  if (report.status === "succeeded" && !$("job-player").childElementCount) play($("job-player"), report).catch(fail);
}

async function planOf(report) {
  // Before it was planned there is none to ask for.
  if (known.has(report.job_id) || !OPEN.has(report.status)) try { return { plan: await json(`/jobs/${report.job_id}/plan`), kept: true }; } catch (error) { if (error.status !== 404) throw error; }
  if (report.status !== "waiting") return null;
  const it = report.submission, asked = { source: it.source.uri, profile: it.profile.name };
  try { return { plan: await json("/plan", { method: "POST", body: JSON.stringify(asked) }), kept: false }; } catch { return null; }
}

function planned(plan, kept) {
  const found = [el("h2", {}, kept ? "Plan" : "As it would be planned now"),
    el("p", {}, "Predicted: ", seconds(plan.predicted.wall_seconds), ", ", money(plan.predicted_cost.amount, plan.predicted_cost.currency), ". ", plan.reasons.join(" "))];
  for (const { task, candidates } of plan.tasks) {
    const rows = candidates.slice(0, 12).map((one, n) => [spec(one.spec), number(seconds(one.predicted?.wall_seconds)), number(one.cost ? money(one.cost.amount, one.cost.currency) : ""), n ? one.reason : "chosen"]);
    found.push(el("h3", {}, `${task.kind}: specs, the chosen one first`), grid(`Specs for ${task.task_id}`, ["Spec", "Time", "Price", "Why"], rows, "dense"));
    if (candidates.length > 12) found.push(el("p", { class: "quiet" }, `and ${candidates.length - 12} more lost`));
  }
  return found;
}

function progress(event) {
  const share = event.total_seconds ? Math.min(1, event.done_seconds / event.total_seconds) : null;
  const bar = $(`p-${event.job_id}`);
  if (bar) { bar.hidden = false; if (share !== null) bar.value = share; }
  if (event.job_id !== shown || $("job").hidden) return;
  const id = `t-${event.task_id}`;
  let lane = $(id);
  if (!lane) $("job-progress").append(lane = el("p", { id }, el("progress", { max: "1", "aria-label": `Progress of ${event.task_id}` }), el("span", { class: "quiet" })));
  if (share !== null) lane.firstChild.value = share;
  lane.lastChild.textContent = `${event.phase}${share === null ? "" : ` ${Math.round(100 * share)} %`}${event.speed ? `, ${event.speed.toFixed(1)}×` : ""}${event.speed && share !== null ? `, ${seconds((event.total_seconds - event.done_seconds) / event.speed)} left` : ""}`;
}

// ── spending ──
async function spending() {
  const by = $("c-by").value === "tag" ? `tag:${$("c-tag").value || "customer"}` : $("c-by").value;
  const query = new URLSearchParams({ by });
  for (const name of ["since", "until"]) if ($(`c-${name}`).value) query.set(name, $(`c-${name}`).value);
  const { groups } = await json(`/costs?${query}`);
  const most = {};
  for (const one of groups) most[one.currency] = Math.max(most[one.currency] || 0, Number(one.cost));
  const rows = groups.slice(-400).reverse().map((one) => {
    const bar = el("span", { class: "bar" }), share = el("td", { class: "wide" }, bar);
    bar.style.width = `${most[one.currency] ? 100 * one.cost / most[one.currency] : 0}%`;
    return [one.group, number(money(one.cost, one.currency)), share, number(String(one.attempts)), number(one.failed ? money(one.failed_cost, one.currency) : ""), number(Number(one.predicted) ? off(one.actual, one.predicted) : "")];
  });
  $("groups").replaceChildren(groups.length ? grid(`Spending by ${by}`, [by[0].toUpperCase() + by.slice(1), "Cost", "", "Attempts", "Of it failed", "Actual against predicted"], rows) : el("p", {}, "Nothing was spent in these days."));
}

// ── new ──
function asked() {
  const value = (name) => $(`n-${name}`).value.trim(), found = {};
  if (value("profile")) found.profile = value("profile");
  if (value("budget")) found.budget = value("budget");
  if (value("deadline")) found.deadline_seconds = Number(value("deadline"));
  const clip = {};
  if (value("start")) clip.start_seconds = Number(value("start"));
  if (value("end")) clip.end_seconds = Number(value("end"));
  if (Object.keys(clip).length) found.clip = clip;
  return found;
}
async function source() {
  const file = $("n-file").files[0];
  if (!file) { if (!$("n-source").value.trim()) throw new Error("Give an address, or choose a file."); return $("n-source").value.trim(); }
  $("sent").hidden = false; $("sent").removeAttribute("value");
  say(`Uploading ${file.name}, ${bytes(file.size)} …`);
  try {
    const made = await new Promise((done, failed) => {
      const sending = new XMLHttpRequest();
      sending.open("PUT", `/uploads/${encodeURIComponent(file.name)}`);
      if (entry.token) sending.setRequestHeader("Authorization", `Bearer ${entry.token}`);
      sending.setRequestHeader("Content-Type", "application/octet-stream");
      sending.upload.onprogress = (event) => { if (event.lengthComputable) $("sent").value = event.loaded / event.total; };
      sending.onerror = () => failed(new Error("The upload was cut. What takes longer than 90 s belongs in the bucket."));
      sending.onload = () => { const said = JSON.parse(sending.responseText || "{}"); sending.status === 201 ? done(said) : failed(new Error(said.message || sending.statusText)); };
      sending.send(file);
    });
    $("n-file").value = ""; $("n-source").value = made.uri;
    return made.uri;
  } finally { $("sent").hidden = true; }
}
async function submit() {
  const body = { source: await source(), ...asked() };
  const tags = $("n-tags").value.trim();
  if (tags) body.tags = Object.fromEntries(tags.split(/\s+/).map((one) => { const at = one.indexOf("="); return [one.slice(0, at), one.slice(at + 1)]; }));
  const report = await json("/jobs", { method: "POST", body: JSON.stringify(body) });
  say(`Kept as job ${report.job_id.slice(0, 12)}.`);
  location.hash = `#/job/${report.job_id}`;
}
async function price() {
  const at = await source();
  say("Looking at the source …");
  const plan = await json("/plan", { method: "POST", body: JSON.stringify({ source: at, ...asked() }) });
  say("This is what it would take; nothing was kept.");
  $("priced").replaceChildren(...planned(plan, true));
}

// ── events ──
async function listen() {
  for (;;) {
    try {
      stop = new AbortController();
      const reply = await ask("/events", { signal: stop.signal });
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      $("line").textContent = "live";
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) for (const line of part.split("\n")) if (line.startsWith("data: ")) heard(JSON.parse(line.slice(6)));
      }
    } catch (error) {
      if (error.status === 401) return;
      $("line").textContent = "reconnecting";
    }
    await new Promise((done) => setTimeout(done, 1000));
    refresh();
  }
}
function heard(event) {
  if (["planned", "progress"].includes(event.event) && !known.has(event.job_id)) { known.add(event.job_id); refresh(); }
  if (event.event === "progress") return progress(event);
  if (event.event === "ended" && !OPEN.has(event.status)) say(`Job ${event.job_id.slice(0, 12)} ${event.status}.`);
  refresh();
}
function refresh() {
  clearTimeout(refreshing);
  refreshing = setTimeout(() => { if (!$("jobs").hidden) list().catch(fail); if (!$("job").hidden && shown) job(shown, true).catch(fail); }, 700);
}

// ── pages ──
function only(id) {
  for (const one of document.querySelectorAll("main > section")) one.hidden = one.id !== id;
  const here = id === "jobs" ? "#/" : `#/${id}`;
  for (const one of document.querySelectorAll("nav a")) one.getAttribute("href") === here ? one.setAttribute("aria-current", "page") : one.removeAttribute("aria-current");
}
function letIn() { only("door"); $("line").textContent = "not let in"; $("token").focus(); }
async function route() {
  const [, page, id] = location.hash.split("/");
  say("");
  if (page !== "job") { shown = null; $("job-player").replaceChildren(); }
  try {
    if (page === "job" && id) { only("job"); await job(id); document.title = `${$("job-head").textContent} – transcode`; }
    else if (page === "spending") { only("spending"); document.title = "Spending – transcode"; await spending(); }
    else if (page === "new") { only("new"); document.title = "New job – transcode"; $("n-source").focus(); }
    else { only("jobs"); document.title = "Jobs – transcode"; await list(); }
  } catch (error) { fail(error); }
}
const on = (id, name, act) => $(id).addEventListener(name, (event) => { event.preventDefault(); const held = event.submitter || event.currentTarget; if (held.disabled !== undefined) held.disabled = true; Promise.resolve(act(event)).catch(fail).finally(() => { if (held.disabled !== undefined) held.disabled = false; }); });
on("door-form", "submit", async () => { entry.token = $("token").value.trim(); sessionStorage.setItem("token", entry.token); $("token").value = ""; await route(); if ($("door").hidden) listen(); });
on("filter", "submit", () => list());
on("more", "click", () => list(true));
on("job-form", "submit", submit);
on("n-plan", "click", price);
on("costs", "submit", spending);
on("cancel", "click", async () => { await json(`/jobs/${shown}/cancel`, { method: "POST" }); say("It will be stopped."); await job(shown, true); });
on("retry", "click", async () => { await json(`/jobs/${shown}/retry`, { method: "POST" }); say("It is open again."); await job(shown, true); });
addEventListener("hashchange", () => { route().then(() => { if (!$("new").hidden) return; $("main").focus({ preventScroll: true }); scrollTo(0, 0); }); });
await route();
if ($("door").hidden) listen();
