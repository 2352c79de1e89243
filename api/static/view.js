/* Draws the board. Whatever callers send is only ever put in as text. */

import { clock, counted, decimal, moment, seconds, whole, word } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Make the children of `parent` these items, touching only what changed, so focus and selection stay. */
function sync(parent, items, keyOf, draw) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const shape = JSON.stringify(item) + document.documentElement.lang;
    let child = old.get(key);
    old.delete(key);
    if (!child || child.dataset.shape !== shape) {
      const drawn = draw(item);
      drawn.dataset.key = key;
      drawn.dataset.shape = shape;
      if (child === place && child) place = child.nextElementSibling;
      if (child) child.replaceWith(drawn);
      else drawn.classList.add("new");
      child = drawn;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of old.values()) gone.remove();
}

export function drawFigures(counters, devices) {
  const total = counters.total;
  const share = (n) => (total.offered ? `${whole(Math.round((100 * n) / total.offered))} % ${word("percent")}` : "");
  const figures = [
    ["calls", whole(counters.calls_now), counters.calls_now ? "active" : ""],
    ["offered", whole(total.offered), ""],
    ["answered", whole(total.answered), "good", share(total.answered)],
    ["missed", whole(total.missed), total.missed ? "bad" : "", share(total.missed)],
    ["wait", seconds(total.wait_mean_ms), ""],
    ["talk", seconds(total.talk_mean_ms), ""],
    ["online", devices == null ? "—" : whole(devices), ""],
  ];
  sync($("figures"), figures, (f) => f[0], ([name, value, mood, note]) =>
    element("div", { class: `figure ${mood}` },
      element("dt", {}, word(name)),
      element("dd", {}, value, ...(note ? [element("small", {}, note)] : []))));
}

export function drawCalls(page, people) {
  const items = page.items.map((call) => ({ ...call, names: [name(call.caller, people), called(call, people)] }));
  sync($("calls"), items, (c) => c.call, (call) =>
    element("tr", {},
      element("td", {}, element("span", { class: `pill ${call.state}` }, word(call.state))),
      element("td", {}, party(call.names[0], call.caller)),
      element("td", {}, party(call.names[1], { number: call.called })),
      element("td", { class: "number" }, element("time", { "data-since": call.since, class: "ticking" }, ""))));
  $("calls-count").textContent = page.total ? whole(page.total) : "";
  $("calls-empty").hidden = page.items.length > 0;
}

export function drawDevices(page, people) {
  const items = page.items.map((d) => ({ ...d, expires_at: "", name: people.get(d.person)?.name ?? "" }));
  sync($("devices"), items, (d) => `${d.device} ${d.contact}`, (d) =>
    element("tr", {},
      element("td", {}, party(d.name || d.device, { number: d.name ? d.device : "" })),
      element("td", {}, element("span", { class: "mono" }, d.source), " ",
        element("span", { class: "tag" }, d.transport.toUpperCase()),
        element("small", { class: "block" }, d.user_agent))));
  $("devices-count").textContent = page.total ? whole(page.total) : "";
  $("devices-empty").hidden = page.items.length > 0;
}

/** A carrier's answer where it refuses us; else which of its servers are down. */
function trouble(trunk) {
  if (trunk.state === "refused" || trunk.state === "unreachable") return ` ${trunk.status} ${trunk.reason}`;
  const down = trunk.servers.filter((server) => server.state === "down");
  return down.length ? ` ${word("down")}: ${down.map((server) => server.address ?? server.host).join(", ")}` : "";
}

/** One word for each, and what is wrong with it. */
export function drawTrunks(trunks) {
  sync($("trunks"), trunks, (t) => t.trunk, (t) =>
    element("li", {},
      element("bdi", {}, t.trunk), " ",
      element("span", { class: `pill ${t.state}` }, word(t.state)),
      element("small", {}, trouble(t))));
  $("trunks-row").hidden = trunks.length === 0;
}

export function drawRecords(page, live, people, tell) {
  const now = new Map(live.map((call) => [call.call, call]));
  const items = page.items.map((record) => ({
    ...record,
    names: [name(record.caller, people), record.answered_by ? name(record.answered_by, people) : called(now.get(record.call) ?? record, people)],
  }));
  sync($("records"), items, (r) => r.call, (record) => {
    const why = element("button", { type: "button", class: "quiet small" }, word("show"));
    why.setAttribute("aria-label", `${word("story")}: ${record.names.join(" → ")}, ${moment(record.started_at)}`);
    why.addEventListener("click", () => tell(record));
    return element("tr", {},
      element("td", { class: "mono" }, element("time", { datetime: record.started_at }, moment(record.started_at))),
      element("td", {}, party(record.names[0], record.caller)),
      element("td", {}, party(record.names[1], { number: record.called })),
      element("td", {}, element("span", { class: `result ${mood(record)}` }, outcome(record))),
      element("td", { class: "number", "data-label": word("waited") }, record.answered_at || record.cause ? seconds(record.wait_ms) : "—"),
      element("td", { class: "number", "data-label": word("talked") }, record.talk_ms ? seconds(record.talk_ms) : "—"),
      element("td", { class: "number" }, sound(record)),
      element("td", { class: "number" }, why));
  });
  $("records-empty").hidden = page.items.length > 0;
}

/** The story of a call; while it is not there, what is said instead. */
export function drawStory(record, trace, instead = "") {
  const at = `${moment(record.started_at)} · ${record.names.join(" → ")}`;
  $("story-call").textContent = at;
  $("story-note").textContent = instead;
  $("story-lines").hidden = !trace;
  $("story-lines").replaceChildren(...(trace?.sentences ?? []).map((s) =>
    element("li", {},
      element("time", { class: "mono", datetime: s.at }, `${decimal(s.after_s)} ${word("s")}`),
      element("span", {}, s.text))));
}

export function tick(ahead) {
  for (const time of document.querySelectorAll("time.ticking")) {
    time.textContent = clock(Date.now() + ahead - Date.parse(time.dataset.since));
  }
}

/** Nothing of one exchange is left for whoever signs in next. */
export function clear() {
  for (const id of ["figures", "calls", "devices", "trunks", "records", "story-lines"]) $(id).replaceChildren();
  for (const id of ["calls-count", "devices-count", "story-call", "story-note", "news"]) $(id).textContent = "";
  $("trunks-row").hidden = true;
  for (const [id, name] of [["calls-empty", "noCalls"], ["devices-empty", "noDevices"], ["records-empty", "noRecords"]]) {
    $(id).hidden = true;
    $(id).dataset.word = name;
    $(id).textContent = word(name);
  }
  $("trunks-row").hidden = true;
}

/** Whoever cannot see hears it. */
export const say = (text) => { $("news").textContent = text; };

export const announce = (calls) => say(counted("news", calls));

function name(who, people) {
  const person = people.get(who.person);
  return person?.name || who.name || who.number || word("stranger");
}

function called(call, people) {
  const person = call.answered_by?.person ?? call.person ?? (call.to?.startsWith("person:") ? call.to.slice(7) : null);
  if (person) return people.get(person)?.name ?? person;
  if (call.to?.startsWith("announcement:")) return `${word("announcement")} «${call.to.slice(13)}»`;
  return call.to?.startsWith("outside:") ? call.to.slice(8) : call.called;
}

function party(title, who) {
  const under = [who.number, who.device, who.trunk].find((text) => text && text !== title) ?? "";
  return element("span", { class: "party" }, element("bdi", {}, title), element("small", {}, under));
}

function outcome(record) {
  if (!record.cause) return word("goes");
  if (record.answered_at && ["command", "abandoned"].includes(record.cause)) return word("caller_hung_up");
  return word(record.cause);
}

function mood(record) {
  if (!record.cause) return "going";
  return record.answered_at ? "good" : ["terminal", "not_reached", "abandoned"].includes(record.cause) ? "bad" : "plain";
}

function sound(record) {
  const heard = record.legs.map((leg) => leg.media?.mos).filter((mos) => mos != null);
  return heard.length ? decimal(Math.min(...heard)) : "—";
}
