/* The live page: signs in, takes a snapshot, follows the events, and draws anew what they touch. */

import { Exchange, Problem } from "./exchange.js";
import { $, announce, clear, drawCalls, drawDevices, drawFigures, drawRecords, drawStory, drawTrunks, element, say, tick } from "./view.js";
import { language, speak, timed, word } from "./words.js";

const NOBODY = { exchange: null, people: new Map(), parts: {}, stop: null, story: null, lostAt: null, link: "connecting" };
const state = { ...NOBODY };

const PARTS = {
  people: { load: loadPeople, on: ["configuration."] },
  calls: { load: () => state.exchange.get("calls?limit=100"), on: ["call.", "device.rang", "device.failed", "leg."] },
  counters: { load: () => state.exchange.get("counters?limit=0"), on: ["call.", "person."] },
  records: { load: () => state.exchange.get("call-records?limit=25"), on: ["call."] },
  trunks: { load: () => state.exchange.get("trunk-states"), on: ["trunk.", "configuration."] },
  devices: { load: () => state.exchange.get("registrations?limit=200"), on: ["device.registered", "device.unregistered", "configuration."] },
};
/* A part is asked for again at most so often, however much happens. */
const REST_MS = 700;
const AGAIN_MS = 2000;
const RETRY_MS = [500, 1000, 2000, 5000];
const POLL_MS = 5000;

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
  const { exchange } = state;
  try {
    const found = await PARTS[name].load();
    if (exchange !== state.exchange) return null;
    if (name === "people") state.people = found;
    state.parts[name] = found;
    draw(name);
    return found;
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 403) throw error;
    if (exchange === state.exchange) forbid(name);
    return null;
  }
}

function draw(name) {
  const { calls, counters, records, devices, trunks } = state.parts;
  if (name === "trunks" && trunks) drawTrunks(trunks);
  if ((name === "calls" || name === "people") && calls) drawCalls(calls, state.people);
  if ((name === "devices" || name === "people") && devices) drawDevices(devices, state.people);
  if (["records", "calls", "people"].includes(name) && records) drawRecords(records, calls?.items ?? [], state.people, tell);
  if ((name === "counters" || name === "devices") && counters) drawFigures(counters, devices?.total);
  tick(state.exchange.ahead);
}

function forbid(name) {
  const empty = $(`${name}-empty`);
  if (empty) {
    empty.dataset.word = "noAccess";
    empty.textContent = word("noAccess");
    empty.hidden = false;
  }
}

/* Follows the exchange until told to stop. A key that may not hear events asks again and again. */
async function live(signal) {
  for (let failures = 0; !signal.aborted; ) {
    let rest = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
    try {
      await refresh("people");
      const found = await Promise.all(["calls", "counters", "records", "devices", "trunks"].map(refresh));
      if (signal.aborted) return;
      announce(found[0]?.total ?? 0);
      const seq = found[0]?.seq ?? (await state.exchange.get("events?wait=0")).after;
      await state.exchange.follow(seq, signal, hear, () => { failures = 0; linkIs("live"); });
      linkIs("lost");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && [400, 401, 404].includes(error.status)) return leave(reason(error));
      if (error instanceof Problem && error.status === 403) {
        linkIs("polling");
        rest = POLL_MS;
      } else {
        linkIs("lost");
      }
    }
    await new Promise((done) => { setTimeout(done, rest); });
  }
}

/* Why the door stays shut. */
function reason(error) {
  if (!(error instanceof Problem)) return word("unreachable");
  if (error.code === "token_expired") return word("expiredKey");
  if (error.status === 401) return word("badKey");
  if (error.status === 404) return word("noCompany");
  return word(error.code === "company_required" ? "nameless" : "faulty");
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
  } catch {
    if (state.exchange && !waiting.has(name)) waiting.set(name, setTimeout(() => again(name), AGAIN_MS));
  }
}

async function tell(record) {
  const { exchange } = state;
  state.story = record;
  drawStory(record, null, word("reading"));
  if (!$("story").open) $("story").showModal();
  const asked = language;
  const path = `calls/${encodeURIComponent(record.call)}/trace?lang=${asked}`;
  const [trace, instead] = await exchange.get(path).then((found) => [found, ""], (error) => [null, why(error)]);
  if (state.story === record && asked === language) drawStory(record, trace, instead);
}

const why = (error) => word(error instanceof Problem ? (error.status === 403 ? "noAccess" : "faulty") : "unreachable");

/* Its button is where one was; a row that was drawn anew has another. */
function closed() {
  const row = [...$("records").children].find((child) => child.dataset.key === state.story?.call);
  row?.querySelector("button").focus();
  state.story = null;
}

/* What is shown while the exchange cannot be reached is old, and says since when. */
function linkIs(how) {
  const before = state.link;
  if (how === "lost") state.lostAt ??= Date.now();
  else if (how !== "connecting") state.lostAt = null;
  state.link = how;
  drawLink();
  if (how === "lost" && before !== "lost") say($("link-word").textContent);
  if (how !== "lost" && before === "lost") say(word("back"));
}

function drawLink() {
  $("link").hidden = !state.exchange;
  $("link").dataset.state = state.link;
  $("link-word").textContent = state.link === "lost" ? timed("lost", state.lostAt) : word(state.link);
  $("board").classList.toggle("stale", state.lostAt != null);
}

function enter(key, company, title) {
  const kept = { "tandem.key": key, "tandem.company": company, "tandem.title": title };
  for (const [name, value] of Object.entries(kept)) sessionStorage.setItem(name, value);
  Object.assign(state, NOBODY, { exchange: new Exchange(key, company), parts: {}, stop: new AbortController() });
  $("company").textContent = title;
  $("door").hidden = true;
  $("board").hidden = $("leave").hidden = false;
  drawLink();
  live(state.stop.signal);
}

function leave(error = "") {
  state.stop?.abort();
  Object.assign(state, NOBODY, { people: new Map(), parts: {} });
  for (const timer of waiting.values()) clearTimeout(timer);
  waiting.clear();
  for (const name of ["tandem.key", "tandem.company", "tandem.title"]) sessionStorage.removeItem(name);
  $("story").close();
  clear();
  drawLink();
  $("board").hidden = $("leave").hidden = true;
  $("door").hidden = false;
  $("company").textContent = "";
  $("key").value = "";
  offer([]);
  refuse(error);
}

function refuse(error) {
  $("door-error").textContent = error;
  $("key").setAttribute("aria-invalid", String(Boolean(error)));
  $("key").focus();
}

/* Companies to choose from, where a key sees several. */
function offer(items) {
  $("door-company").replaceChildren(...items.map((c) => element("option", { value: c.id }, c.name)));
  $("door-company").hidden = $("door-company-label").hidden = items.length === 0;
}

async function knock(submitted) {
  submitted.preventDefault();
  const key = $("key").value.trim();
  const chosen = $("door-company").value;
  if (!/^[\x21-\x7e]+$/.test(key)) return refuse(word("badKey"));
  $("door-error").textContent = "";
  try {
    const { items } = await new Exchange(key, "").get("companies?limit=200");
    const company = items.find((c) => c.id === chosen) ?? (items.length === 1 ? items[0] : null);
    if (company) come(key, company.id, company.name);
    else if (items.length === 0) refuse(word("noCompany"));
    else {
      offer(items);
      $("door-company").focus();
    }
  } catch (error) {
    if (error instanceof Problem && error.status === 403) return come(key, "", "");
    refuse(reason(error));
  }
}

/* Through the door: what is read next is the board. */
function come(key, company, title) {
  enter(key, company, title);
  $("board-title").focus();
}

function changeLanguage(next) {
  speak(next);
  $("door-error").textContent = "";
  if (!state.exchange) return;
  drawLink();
  for (const name of Object.keys(PARTS)) draw(name);
}

$("door-form").addEventListener("submit", knock);
$("key").addEventListener("input", () => offer([]));
$("leave").addEventListener("click", () => leave());
$("language").addEventListener("click", () => changeLanguage(language === "ru" ? "en" : "ru"));
$("story-close").addEventListener("click", () => $("story").close());
$("story").addEventListener("click", (event) => { if (event.target === $("story")) $("story").close(); });
$("story").addEventListener("close", closed);
setInterval(() => { if (state.exchange && state.lostAt == null) tick(state.exchange.ahead); }, 500);

speak(language);
if (sessionStorage.getItem("tandem.key")) {
  enter(sessionStorage.getItem("tandem.key"), sessionStorage.getItem("tandem.company") ?? "", sessionStorage.getItem("tandem.title") ?? "");
} else {
  leave();
}
