// Plays a job's result where it lies: CMAF through Media Source Extensions, files whole.
import { ask, el, fileOf, pathIn } from "/parts.js";

const AHEAD_SECONDS = 30, WHOLE_BYTES = 64 * 2 ** 20, MOST_LINES = 720, MOST_THUMBS = 80;
const text = async (report, path) => (await ask(fileOf(report, path))).text();
const blob = async (report, path) => URL.createObjectURL(await (await ask(fileOf(report, path))).blob());
const beside = (path, name) => path.includes("/") ? `${path.slice(0, path.lastIndexOf("/"))}/${name}` : name;

export async function play(place, report) {
  const outputs = report.manifest.outputs.map((one) => ({ ...one, path: pathIn(report, one.uri) })).filter((one) => one.path);
  const master = outputs.find((one) => one.path === "master.m3u8");
  const poster = outputs.find((one) => one.kind === "poster");
  const file = outputs.filter((one) => ["rendition", "audio"].includes(one.kind) && /\.(mp4|webm|m4a|ogg)$/.test(one.path)).sort((a, b) => a.bytes - b.bytes)[0];
  if (!master && !(file && file.bytes <= WHOLE_BYTES)) {
    if (outputs.some((one) => one.path.endsWith(".mpd"))) place.replaceChildren(el("p", {}, "This page plays HLS, and this result has DASH alone: give its manifest.mpd to a DASH player."));
    return;
  }
  const video = el("video", { controls: true, preload: "metadata", playsinline: true, "aria-label": "Result" });
  if (poster) video.poster = await blob(report, poster.path);
  place.replaceChildren(el("h2", {}, "Player"), video);
  if (master) await stream(video, report, await text(report, master.path));
  else video.src = await blob(report, file.path);
  for (const one of outputs.filter((it) => it.kind === "captions" && it.path.endsWith(".vtt"))) {
    const name = one.path.split("/").pop().replace(".vtt", "");
    video.append(el("track", { kind: "captions", label: name, srclang: name.slice(0, 3), src: await blob(report, one.path) }));
  }
  const thumbs = outputs.find((one) => one.path.endsWith("thumbnails.vtt"));
  if (thumbs) place.append(await strip(video, report, await text(report, thumbs.path)));
}

const attributes = (line) => Object.fromEntries([...line.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)/g)].map(([, key, value]) => [key, value.replace(/^"|"$/g, "")]));

async function stream(video, report, master) {
  const lines = master.split(/\r?\n/), rungs = [], sounds = {};
  lines.forEach((line, n) => {
    if (line.startsWith("#EXT-X-STREAM-INF:")) rungs.push({ ...attributes(line), uri: lines[n + 1] });
    if (line.startsWith("#EXT-X-MEDIA:") && /TYPE=AUDIO/.test(line)) { const it = attributes(line); if (it.URI && (!sounds[it["GROUP-ID"]] || it.DEFAULT === "YES")) sounds[it["GROUP-ID"]] = it; }
  });
  const lineCount = (one) => Number((one.RESOLUTION || "0x0").split("x")[1]);
  const short = (one) => Math.min(...(one.RESOLUTION || "0x0").split("x").map(Number));
  const Source = window.ManagedMediaSource || window.MediaSource;
  const isSound = (codec) => /^(mp4a|opus|ac-3|ec-3|flac)/i.test(codec);
  const tracksOf = (one) => {
    const codecs = (one.CODECS || "").split(",").map((it) => it.trim()), tracks = [];
    if (codecs.some((it) => !isSound(it))) tracks.push([`video/mp4; codecs="${codecs.filter((it) => !isSound(it)).join(",")}"`, one.uri]);
    if (one.AUDIO && sounds[one.AUDIO]) tracks.push([`audio/mp4; codecs="${codecs.filter(isSound).join(",")}"`, sounds[one.AUDIO].URI]);
    return tracks;
  };
  // Of several codecs those that this browser has.
  const able = rungs.filter((one) => Source && tracksOf(one).every(([kind]) => Source.isTypeSupported(kind)));
  if (!able.length) throw new Error("This browser cannot play these codecs; the files are below.");
  const fits = able.filter((one) => short(one) <= MOST_LINES);
  const tracks = tracksOf((fits.length ? fits : able).sort((a, b) => lineCount(b) - lineCount(a))[0]);
  const source = new Source();
  if (window.ManagedMediaSource) video.disableRemotePlayback = true;
  video.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  const parts = await Promise.all(tracks.map(async ([kind, uri]) => segments(uri, await text(report, uri), kind)));
  source.duration = Math.max(...parts.map((one) => one.duration));
  for (const one of parts) one.buffer = source.addSourceBuffer(one.kind);
  for (const one of parts) feed(video, report, one, () => { if (parts.every((it) => it.ended) && source.readyState === "open") source.endOfStream(); });
}

// *range* of a playlist, "bytes@from": in a file of several segments they follow each other.
function ranged(range, last) {
  if (!range) return null;
  const [length, from] = range.split("@").map(Number), begin = from ?? last?.to ?? 0;
  return { begin, to: begin + length };
}

function segments(uri, playlist, kind) {
  const found = { kind, list: [], init: null, duration: 0, done: new Set(), ended: false };
  let length = 0, range = null, last = null;
  for (const line of playlist.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MAP:")) { const it = attributes(line); found.init = { path: beside(uri, it.URI), range: ranged(it.BYTERANGE) }; }
    else if (line.startsWith("#EXTINF:")) length = parseFloat(line.slice(8));
    else if (line.startsWith("#EXT-X-BYTERANGE:")) range = line.slice(17);
    else if (line && !line.startsWith("#")) {
      last = ranged(range, last);
      found.list.push({ path: beside(uri, line), range: last, begin: found.duration, end: found.duration + length });
      found.duration += length; range = null;
    }
  }
  return found;
}

// A server that knows no ranges sends the whole file, which is asked for once.
const whole = new Map();
async function piece(report, { path, range }) {
  if (!range) return (await ask(fileOf(report, path))).arrayBuffer();
  const { begin, to } = range;
  if (!whole.has(path)) {
    const reply = await ask(fileOf(report, path), { headers: { Range: `bytes=${begin}-${to - 1}` } });
    if (reply.status === 206) return reply.arrayBuffer();
    whole.set(path, await reply.blob());
  }
  return whole.get(path).slice(begin, to).arrayBuffer();
}

async function feed(video, report, part, ended) {
  const append = async (one) => {
    const data = await piece(report, one);
    await new Promise((done, failed) => { part.buffer.addEventListener("updateend", done, { once: true }); part.buffer.addEventListener("error", failed, { once: true }); part.buffer.appendBuffer(data); });
  };
  await append(part.init);
  for (;;) {
    if (!video.isConnected) return;
    const now = video.currentTime;
    const next = part.list.find((one, n) => !part.done.has(n) && one.end > now && one.begin < now + AHEAD_SECONDS);
    if (next) { await append(next); part.done.add(part.list.indexOf(next)); continue; }
    if (!part.ended && part.done.size === part.list.length) { part.ended = true; ended(); return; }
    await new Promise((done) => { const go = () => { clearTimeout(timer); video.removeEventListener("seeking", go); done(); }; const timer = setTimeout(go, 1000); video.addEventListener("seeking", go); });
  }
}

async function strip(video, report, listing) {
  const cues = [...listing.matchAll(/(\d+):(\d+):(\d+\.\d+) --> \S+\s+(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g)];
  const step = Math.ceil(cues.length / MOST_THUMBS), sheets = {};
  const place = el("div", { class: "thumbs", role: "group", "aria-label": "Thumbnails: go to" });
  for (const [, h, m, s, sheet, x, y, w, height] of cues.filter((_, n) => n % step === 0)) {
    sheets[sheet] ??= await blob(report, sheet);
    const at = h * 3600 + m * 60 + Number(s), label = `${Math.floor(at / 60)}:${String(Math.floor(at % 60)).padStart(2, "0")}`;
    const button = el("button", { type: "button", "aria-label": `Go to ${label}`, onclick: () => { video.currentTime = at; } }, el("span", { "aria-hidden": "true" }, label));
    Object.assign(button.style, { width: `${w}px`, height: `${height}px`, backgroundImage: `url("${sheets[sheet]}")`, backgroundPosition: `-${x}px -${y}px` });
    place.append(button);
  }
  return place;
}
