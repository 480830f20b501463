// One result: player with thumbnails, renditions, bill. What is shown comes from its manifest.
import { bill, el, entry, json, nameOf, results, seconds, when } from "/parts.js";
import { play } from "/player.js";

const $ = (id) => document.getElementById(id);
const fail = (error) => { $("said").textContent = error.message; $("said").classList.add("bad"); };
entry.failed = fail;
entry.refused = () => fail(new Error("Open the address that `transcode play` has printed: it has the key in it."));

// The key stands behind the #, which no server is sent; then it is out of sight.
if (location.hash.length > 1) { sessionStorage.setItem("play", location.hash.slice(1)); history.replaceState(null, "", location.pathname); }
entry.token = sessionStorage.getItem("play") || "";

try {
  const report = await json("/report"), { manifest } = report;
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
} catch (error) { fail(error); }
