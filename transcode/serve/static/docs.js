// The description of the API as text.
const make = (name, text = "", about = {}) => { const it = document.createElement(name); it.textContent = text; for (const [k, v] of Object.entries(about)) it.setAttribute(k, v); return it; };
const token = sessionStorage.getItem("token");
const reply = await fetch("/openapi.json", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
const api = await reply.json();
if (!reply.ok) document.getElementById("said").textContent = api.message;
const schemas = api.components?.schemas || {};
const kind = (it) => it.$ref ? it.$ref.split("/").pop() : it.anyOf ? it.anyOf.map(kind).filter((one) => one !== "null").join(" or ")
  : it.enum ? it.enum.join(", ") : it.const ? String(it.const) : it.type === "array" ? `list of ${kind(it.items || it.prefixItems?.[0] || {})}` : it.type || "any";
function table(rows) {
  const made = make("table"), head = made.createTHead().insertRow();
  for (const one of ["name", "type", "meaning"]) head.append(make("th", one, { scope: "col" }));
  const body = made.createTBody();
  for (const [name, schema, said] of rows) { const row = body.insertRow(); row.append(make("th", name, { scope: "row" }), make("td", kind(schema)), make("td", said || schema.description || "")); }
  const box = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Fields" });
  box.append(made);
  return box;
}
const place = document.getElementById("operations");
for (const [path, methods] of Object.entries(api.paths || {})) for (const [method, it] of Object.entries(methods)) {
  place.append(make("h2", `${method.toUpperCase()} ${path}`, { id: it.operationId }), make("p", it.summary));
  if (it.description) place.append(make("p", it.description));
  if (it.parameters.length) place.append(table(it.parameters.map((one) => [one.name, one.schema, one.description])));
  const body = it.requestBody?.content["application/json"]?.schema;
  const model = body?.$ref && schemas[body.$ref.split("/").pop()];
  if (model) place.append(make("p", `Body: ${model.title}`), table(Object.entries(model.properties).map(([name, schema]) => [`${name}${model.required?.includes(name) ? " *" : ""}`, schema])));
  const list = make("dl");
  for (const [status, answer] of Object.entries(it.responses)) { const [type, media] = Object.entries(answer.content)[0]; list.append(make("dt", status), make("dd", `${answer.description} ${media.schema.$ref ? kind(media.schema) : type}`)); }
  place.append(list);
}
