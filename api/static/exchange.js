/* Asks the exchange over HTTP, and follows its events. The key travels in a header only. */

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || String(status));
    this.status = status;
    this.code = body.code ?? "";
  }
}

export class Exchange {
  /** How many milliseconds its clock is ahead of ours. */
  ahead = 0;

  constructor(key, company) {
    this.headers = { Authorization: `Bearer ${key}`, ...(company ? { "X-Company": company } : {}) };
  }

  async get(path) {
    const sent = Date.now();
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`/api/v1/${path}`, { headers: this.headers, cache: "no-store", signal });
    const date = Date.parse(response.headers.get("date") ?? "");
    if (date) this.ahead = date + 500 - (sent + Date.now()) / 2;
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Problem(response.status, body);
    return body;
  }

  /** Follow the events behind `after` until `signal` says stop. Throws when the stream breaks. */
  async follow(after, signal, hear, opened) {
    const headers = { ...this.headers, Accept: "text/event-stream", "Last-Event-ID": String(after) };
    const response = await fetch("/api/v1/events", { headers, signal, cache: "no-store" });
    if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
    opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await within(reader.read(), SILENCE_MS);
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = read(block);
        if (event) hear(event);
      }
    }
  }
}

function read(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  return fields.event ? { seq: Number(fields.id), type: fields.event, body: JSON.parse(fields.data) } : null;
}

function within(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("silence")), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/* Whoever does not answer within this time is taken for gone. */
const ANSWER_MS = 15_000;
/* Heartbeats come every 15 seconds. */
const SILENCE_MS = 40_000;
