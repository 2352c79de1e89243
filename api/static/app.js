/* The live page: signs in, takes a snapshot, follows the events, and draws anew what they touch. */

import { Exchange, Problem } from "./exchange.js";
import { $, announce, drawCalls, drawDevices, drawFigures, drawRecords, drawStory, element, tick } from "./view.js";
import { language, speak, word } from "./words.js";

const state = { exchange: null, people: new Map(), parts: {}, stop: null, story: null };

const PARTS = {
  people: { load: loadPeople, on: ["configuration."] },
  calls: { load: () => state.exchange.get("calls?limit=100"), on: ["call.", "device.rang", "device.failed", "leg."] },
  counters: { load: () => state.exchange.get("counters?limit=0"), on: ["call.", "person."] },
  records: { load: () => state.exchange.get("call-records?limit=25"), on: ["call.arrived", "call.answered", "call.ended"] },
  devices: { load: () => state.exchange.get("registrations?limit=200"), on: ["device.registered", "device.unregistered", "configuration."] },
};
/* A part is asked for again at most so often, however much happens. */
const REST_MS = 700;
const RETRY_MS = [500, 1000, 2000, 5000];

async function loadPeople() {
  const people = new Map();
  let cursor = null;
  for (let page = 0; page < 10 && (page === 0 || cursor); page++) {
    const found = await state.exchange.get(`people?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    for (const person of found.items) people.set(person.id, { name: person.name, extension: person.extension });
    cursor = found.next_cursor;
  }
  return people;
}

async function refresh(name) {
  try {
    const found = await PARTS[name].load();
    if (name === "people") state.people = found;
    state.parts[name] = found;
    draw(name);
    return found;
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 403) throw error;
    forbid(name);
    return null;
  }
}

function draw(name) {
  const { calls, counters, records, devices } = state.parts;
  if ((name === "calls" || name === "people") && calls) drawCalls(calls, state.people);
  if ((name === "devices" || name === "people") && devices) drawDevices(devices, state.people);
  if ((name === "records" || name === "people") && records) drawRecords(records, state.people, tell);
  if ((name === "counters" || name === "devices") && counters) drawFigures(counters, devices?.total);
  tick(state.exchange.ahead);
}

function forbid(name) {
  const empty = $(`${name}-empty`);
  if (empty) {
    empty.textContent = word("noAccess");
    empty.hidden = false;
  }
}

/* Follows the exchange until told to stop. */
async function live(signal) {
  for (let failures = 0; !signal.aborted; ) {
    linkIs("connecting");
    try {
      await refresh("people");
      const found = await Promise.all(["calls", "counters", "records", "devices"].map(refresh));
      announce(found[0]?.total ?? 0);
      const seq = found[0]?.seq ?? (await state.exchange.get("events?wait=0")).after;
      await state.exchange.follow(seq, signal, hear, () => { failures = 0; linkIs("live"); });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 401) return leave(word("badKey"));
    }
    linkIs("offline");
    await new Promise((done) => { setTimeout(done, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]); });
  }
}

const waiting = new Map();

function hear(event) {
  for (const [name, part] of Object.entries(PARTS)) {
    if (part.on.some((prefix) => event.type.startsWith(prefix)) && !waiting.has(name)) {
      waiting.set(name, setTimeout(() => again(name), rested(name)));
    }
  }
}

const asked = new Map();
const rested = (name) => Math.max(30, (asked.get(name) ?? 0) + REST_MS - Date.now());

async function again(name) {
  asked.set(name, Date.now());
  waiting.delete(name);
  try {
    const before = state.parts.calls?.total;
    const found = await refresh(name);
    if (name === "calls" && found && found.total !== before) announce(found.total);
  } catch { /* the stream breaks too, and is taken up again */ }
}

async function tell(record) {
  state.story = record;
  const trace = await state.exchange.get(`calls/${encodeURIComponent(record.call)}/trace?lang=${language}`);
  drawStory(record, trace);
  if (!$("story").open) $("story").showModal();
}

function linkIs(how) {
  $("link").hidden = false;
  $("link").dataset.state = how;
  $("link-word").dataset.word = how;
  $("link-word").textContent = word(how);
}

function enter(key, company, title) {
  sessionStorage.setItem("tandem.key", key);
  sessionStorage.setItem("tandem.company", company);
  sessionStorage.setItem("tandem.title", title);
  state.exchange = new Exchange(key, company);
  state.stop?.abort();
  state.stop = new AbortController();
  $("company").textContent = title;
  $("door").hidden = true;
  $("board").hidden = $("leave").hidden = false;
  live(state.stop.signal);
}

function leave(error = "") {
  state.stop?.abort();
  for (const name of ["tandem.key", "tandem.company", "tandem.title"]) sessionStorage.removeItem(name);
  $("board").hidden = $("leave").hidden = $("link").hidden = true;
  $("door").hidden = false;
  $("door-error").textContent = error;
  $("company").textContent = "";
  $("key").value = "";
  $("key").focus();
}

async function knock(submitted) {
  submitted.preventDefault();
  $("door-error").textContent = "";
  const key = $("key").value.trim();
  const chosen = $("door-company").hidden ? "" : $("door-company").value;
  try {
    const { items } = await new Exchange(key, "").get("companies?limit=200");
    const company = items.find((c) => c.id === chosen) ?? (items.length === 1 ? items[0] : null);
    if (company) return enter(key, company.id, company.name);
    $("door-company").replaceChildren(...items.map((c) => element("option", { value: c.id }, c.name)));
    $("door-company").hidden = $("door-company-label").hidden = false;
    $("door-company").focus();
  } catch (error) {
    if (error instanceof Problem && error.status === 403) return enter(key, "", "");
    $("door-error").textContent = word(error instanceof Problem && error.status === 401 ? "badKey" : "unreachable");
  }
}

function changeLanguage(next) {
  speak(next);
  $("language").textContent = word("other");
  $("language").lang = next === "ru" ? "en" : "ru";
  for (const name of Object.keys(PARTS)) draw(name);
  if ($("story").open && state.story) tell(state.story);
}

$("door-form").addEventListener("submit", knock);
$("leave").addEventListener("click", () => leave());
$("language").addEventListener("click", () => changeLanguage(language === "ru" ? "en" : "ru"));
$("story-close").addEventListener("click", () => $("story").close());
$("story").addEventListener("click", (event) => { if (event.target === $("story")) $("story").close(); });
setInterval(() => { if (state.exchange) tick(state.exchange.ahead); }, 500);

speak(language);
$("language").textContent = word("other");
if (sessionStorage.getItem("tandem.key")) {
  enter(sessionStorage.getItem("tandem.key"), sessionStorage.getItem("tandem.company") ?? "", sessionStorage.getItem("tandem.title") ?? "");
} else {
  leave();
}
