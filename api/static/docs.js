/* Shows the OpenAPI document: what each operation wants, answers and needs. */

import { element } from "./view.js";

const response = await fetch("/api/v1/openapi.json");
const api = await response.json();

const nameOf = (schema) => schema.$ref.split("/").pop();

const resolve = (schema) => (schema?.$ref ? api.components.schemas[nameOf(schema)] : (schema ?? {}));

const link = (name) => element("a", { href: `#type-${name}` }, name);

/** What a value may be; types with fields or values of their own are links to them. */
function typeOf(schema) {
  if (!schema) return [];
  if (schema.$ref) return [link(nameOf(schema))];
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" | ")];
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts) return parts.flatMap((part, i) => (i ? [" | ", ...typeOf(part)] : typeOf(part)));
  if (schema.type === "array") {
    const items = schema.items ? typeOf(schema.items) : ["any"];
    return items.length > 1 ? ["(", ...items, ")[]"] : [...items, "[]"];
  }
  if (schema.additionalProperties?.$ref || schema.additionalProperties?.type) return ["{…: ", ...typeOf(schema.additionalProperties), "}"];
  return [schema.type ?? "any"];
}

function limitsOf(schema) {
  const found = [];
  for (const part of [schema, ...(schema.anyOf ?? [])]) {
    if (part.minimum !== undefined || part.maximum !== undefined) found.push(`${part.minimum ?? ""}…${part.maximum ?? ""}`);
    if (part.maxLength !== undefined) found.push(`≤ ${part.maxLength} characters`);
    if (part.maxItems !== undefined) found.push(`≤ ${part.maxItems} items`);
    if (part.pattern) found.push(part.pattern);
    if (part.default !== undefined && part.default !== null) found.push(`default ${JSON.stringify(part.default)}`);
  }
  return found.join(", ");
}

/** Text with `code` in it. */
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));

function table(rows) {
  const body = rows.map(([name, required, schema, about]) =>
    element("tr", {},
      element("td", {}, element("code", {}, name), ...(required ? [element("span", { class: "error" }, " *")] : [])),
      element("td", {}, element("code", {}, ...typeOf(schema))),
      element("td", {}, ...prose(about ?? schema?.description ?? ""), element("small", { class: "block" }, limitsOf(schema ?? {})))));
  return element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, ...body)));
}

function fields(schema) {
  const found = resolve(schema);
  const required = new Set(found.required ?? []);
  return Object.entries(found.properties ?? {}).map(([name, inner]) => [name, required.has(name), inner, inner.description ?? resolve(inner).description]);
}

function section(title, ...content) {
  return [element("h3", {}, ...title), ...content];
}

/** The examples of an operation, with the address of this exchange. */
function tried(operation) {
  return operation["x-codeSamples"].flatMap(({ label, source }) => {
    const text = source.replaceAll("$TANDEM_URL", location.origin);
    const copy = element("button", { type: "button", class: "quiet small" }, "Copy");
    copy.setAttribute("aria-label", `Copy: ${label}, ${operation.operationId}`);
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    });
    const title = element("h3", {}, label === "Ask" ? "Try it" : `Try it: ${label.toLowerCase()}`);
    return [
      element("div", { class: "try" }, title, ...(navigator.clipboard ? [copy] : [])),
      element("pre", { tabindex: "0" }, text),
    ];
  });
}

function draw(path, method, operation) {
  const content = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(operation.responses).filter(([status]) => status < "3");
  const [status, answer] = answers[0] ?? [];
  const shape = Object.values(answer?.content ?? {})[0]?.schema;
  const scopes = (operation.security ?? []).flatMap((requirement) => Object.values(requirement).flat());
  return element("article", { class: "card", id: operation.operationId },
    element("h2", { class: "route" }, element("span", { class: `method ${method}` }, method.toUpperCase()), element("code", {}, path)),
    element("p", { class: "lead" }, ...prose(operation.description ?? operation.summary ?? "")),
    element("p", { class: "muted" }, scopes.length ? "Needs the scope " : "Open to everybody", ...scopes.map((s) => element("code", {}, s))),
    ...(operation.parameters?.length ? section(["Parameters"], table(operation.parameters.map((p) => [p.name, p.required, p.schema, p.description]))) : []),
    ...(content ? section(["Body: ", ...typeOf(content)], table(fields(content))) : []),
    ...(shape ? section([`Answer ${status}: `, ...typeOf(shape)], table(fields(shape))) : section([`Answer ${status ?? ""}`])),
    ...tried(operation));
}

function codes() {
  const problem = api.components.schemas.Problem;
  return element("article", { class: "card", id: "problems" },
    element("h2", {}, "Errors"),
    element("p", { class: "lead" }, "Every error is application/problem+json (RFC 9457). Programs decide by its code:"),
    element("p", {}, ...problem.properties.code.enum.flatMap((code) => [element("code", {}, code), " "])));
}

/** One type: its fields, or the values that it has. */
function drawType(name) {
  const schema = api.components.schemas[name];
  const values = schema.enum ? [element("p", {}, ...schema.enum.flatMap((value) => [element("code", {}, JSON.stringify(value)), " "]))] : [];
  return element("article", { class: "card", id: `type-${name}` },
    element("h2", {}, element("code", {}, name)),
    element("p", { class: "lead" }, ...prose(schema.description ?? "")),
    ...values, ...(schema.properties ? [table(fields({ $ref: `/${name}` }))] : []));
}

const groups = new Map();
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags?.[0] ?? "";
    groups.set(tag, [...(groups.get(tag) ?? []), [path, method, operation]]);
  }
}
const about = element("article", { class: "card" }, element("h1", {}, api.info.title), element("p", { class: "lead" }, ...prose(api.info.description.replaceAll("**", "").replaceAll("* ", "• "))),
  element("p", {}, "The examples are lines for a shell, and take the key from it: ", element("code", {}, "export TANDEM_KEY=…"), ". ", element("span", { class: "error" }, "*"), " marks what must be given."));
const contents = [];
const drawn = [about, codes()];
for (const [tag, operations] of groups) {
  contents.push(element("p", {}, tag));
  for (const [path, method, operation] of operations) {
    contents.push(element("a", { href: `#${operation.operationId}` }, operation.operationId));
    drawn.push(draw(path, method, operation));
  }
}
contents.push(element("p", {}, "types"));
for (const name of Object.keys(api.components.schemas).sort()) {
  contents.push(element("a", { href: `#type-${name}` }, name));
  drawn.push(drawType(name));
}
document.getElementById("contents").replaceChildren(element("a", { href: "#problems" }, "Errors"), ...contents);
document.getElementById("operations").replaceChildren(...drawn);
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
