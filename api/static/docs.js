/* Shows the OpenAPI document: what each operation wants, answers and needs. */

import { element } from "./view.js";

const response = await fetch("/api/v1/openapi.json");
const api = await response.json();

function resolve(schema) {
  return schema?.$ref ? { name: schema.$ref.split("/").pop(), ...api.components.schemas[schema.$ref.split("/").pop()] } : (schema ?? {});
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts) return parts.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items) || "any"}[]`;
  if (schema.additionalProperties?.$ref) return `{…: ${typeOf(schema.additionalProperties)}}`;
  return schema.type ?? "any";
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
      element("td", {}, element("code", {}, typeOf(schema))),
      element("td", {}, ...prose(about ?? schema?.description ?? ""), element("small", { class: "block" }, limitsOf(schema ?? {})))));
  return element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, ...body)));
}

function fields(schema) {
  const found = resolve(schema);
  const required = new Set(found.required ?? []);
  return Object.entries(found.properties ?? {}).map(([name, inner]) => [name, required.has(name), inner, resolve(inner).description]);
}

function section(title, ...content) {
  return [element("h3", {}, title), ...content];
}

function curl(method, path, operation) {
  const key = operation.security ? " \\\n  -H \"Authorization: Bearer $TANDEM_KEY\"" : "";
  const idempotent = operation.parameters?.some((p) => p.name === "idempotency-key") ? " \\\n  -H \"Idempotency-Key: $(uuidgen)\"" : "";
  const body = operation.requestBody ? " \\\n  --json @body.json" : "";
  const verb = method === "get" ? "" : ` -X ${method.toUpperCase()}`;
  return `curl${verb} "${location.origin}${path}"${key}${idempotent}${body}`;
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
    ...(operation.parameters?.length ? section("Parameters", table(operation.parameters.map((p) => [p.name, p.required, p.schema, p.description]))) : []),
    ...(content ? section(`Body: ${typeOf(content)}`, table(fields(content))) : []),
    ...(shape ? section(`Answer ${status}: ${typeOf(shape)}`, table(fields(shape))) : section(`Answer ${status ?? ""}`)),
    ...section("Try it", element("pre", { tabindex: "0" }, curl(method, path, operation))));
}

function codes() {
  const problem = api.components.schemas.Problem;
  return element("article", { class: "card", id: "problems" },
    element("h2", {}, "Errors"),
    element("p", { class: "lead" }, "Every error is application/problem+json (RFC 9457). Programs decide by its code:"),
    element("p", {}, ...problem.properties.code.enum.flatMap((code) => [element("code", {}, code), " "])));
}

const groups = new Map();
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags?.[0] ?? "";
    groups.set(tag, [...(groups.get(tag) ?? []), [path, method, operation]]);
  }
}
const about = element("article", { class: "card" }, element("h1", {}, api.info.title), element("p", { class: "lead" }, ...prose(api.info.description.replaceAll("**", "").replaceAll("* ", "• "))));
const contents = [];
const drawn = [about, codes()];
for (const [tag, operations] of groups) {
  contents.push(element("p", {}, tag));
  for (const [path, method, operation] of operations) {
    contents.push(element("a", { href: `#${operation.operationId}` }, operation.operationId));
    drawn.push(draw(path, method, operation));
  }
}
document.getElementById("contents").replaceChildren(element("a", { href: "#problems" }, "Errors"), ...contents);
document.getElementById("operations").replaceChildren(...drawn);
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
