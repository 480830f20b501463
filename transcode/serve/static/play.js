// One result: player with thumbnails, renditions, bill. All of it comes from the manifest
// beside this page, whoever serves the two.
import { bill, el, entry, json, nameOf, results, seconds, when } from "/parts.js";
import { play } from "/player.js";

const $ = (id) => document.getElementById(id);
const fail = (error) => { $("said").replaceChildren(error.message); $("said").classList.add("bad"); };
entry.failed = fail;
entry.refused = () => fail(new Error("This wants a key: open the address that `transcode play` has printed, which has it in it."));

// The key of `transcode play` stands behind the #, which no server is sent; then it is out of sight.
if (/^#[\w-]{32}$/.test(location.hash)) { sessionStorage.setItem("play", location.hash.slice(1)); history.replaceState(null, "", location.pathname); }

// Results may lie a folder below, each try's in its own.
function below({ location: place, page }) {
  const folder = page ? page.uri.slice(0, page.uri.lastIndexOf("/") + 1) : null;
  const whole = `${(place ?? "").replace(/\/$/, "")}/`;
  return folder && whole.startsWith(folder) ? whole.slice(folder.length) : "";
}

function alone() {
  const folder = decodeURIComponent(location.pathname.slice(0, location.pathname.lastIndexOf("/"))) || "/";
  const word = /^[\w./:@%+=-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`;
  $("body").replaceChildren(
    el("p", {}, "A browser shows no page the files that lie beside it on a disk. To look at this result, say in a terminal:"),
    el("pre", {}, el("code", {}, `transcode play ${word}`)),
    el("p", {}, "Any web server that shows this folder does as well."));
}

async function show() {
  entry.token = sessionStorage.getItem("play") || "";
  const manifest = await json("manifest.json"), beside = below(manifest);
  entry.at = (_report, path) => beside + path;
  const report = { job_id: manifest.job_id, status: manifest.status, manifest };
  $("head").textContent = nameOf(manifest.source.uri);
  document.title = `${$("head").textContent} – transcode`;
  const video = manifest.media?.video?.[0];
  const facts = [["Source", manifest.source.uri], ["Profile", manifest.profile.name],
    ["Picture", video ? `${video.codec} ${video.display_width}×${video.display_height}` : "none"],
    ["Length", seconds(manifest.media?.duration_seconds)], ["Made", `${when(manifest.finished_at)}, in ${seconds(manifest.wall_seconds)}`], ["Job", manifest.job_id]];
  $("body").replaceChildren(
    el("h2", {}, "About"), el("dl", {}, ...facts.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)])),
    ...results(report), ...bill(manifest),
    el("p", { class: "quiet" }, `${manifest.verification.checks.length} checks passed before it was published.`));
  await play($("player"), report);
}

if (location.protocol === "file:") alone();
else show().catch(fail);
