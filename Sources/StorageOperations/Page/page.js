"use strict";

// Everything that comes from a store is put in as text, never as markup.
const $ = (id) => document.getElementById(id);

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// MARK: Numbers for people

function amount(number) {
  if (number >= 1e6) return (number / 1e6).toFixed(1) + "M";
  if (number >= 1e4) return (number / 1e3).toFixed(1) + "k";
  if (number >= 100 || number === Math.round(number)) return String(Math.round(number));
  return number.toFixed(1);
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit += 1; }
  return (unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)) + " " + units[unit];
}

function duration(milliseconds) {
  if (milliseconds === null) return "–";
  if (milliseconds < 1) return Math.round(milliseconds * 1000) + " µs";
  if (milliseconds < 1000) return milliseconds.toFixed(milliseconds < 10 ? 1 : 0) + " ms";
  return (milliseconds / 1000).toFixed(1) + " s";
}

function span(seconds) {
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " days";
}

const clock = (text) => new Date(text).toLocaleTimeString([], { hour12: false });

// MARK: How things stand

const history = new Map();
const historyLength = 60;
let last = null;

function totals(instance) {
  const sum = { requests: 0, errors: 0, microseconds: 0, bytes_in: 0, bytes_out: 0 };
  for (const port of instance.ports) for (const name in sum) sum[name] += port[name];
  return sum;
}

function change(now, before, seconds) {
  const result = {};
  for (const name of ["requests", "errors", "microseconds", "bytes_in", "bytes_out"]) {
    result[name] = before && seconds > 0 ? Math.max(0, now[name] - before[name]) / seconds : 0;
  }
  result.average = result.requests > 0 ? result.microseconds / result.requests / 1000 : null;
  return result;
}

function figure(title, value, unit, isBad) {
  const data = make("dd", isBad ? "bad" : "", value);
  if (unit) data.append(" ", make("small", "", unit));
  return make("div", "", make("dt", "", title), data);
}

function spark(values) {
  const space = "http://www.w3.org/2000/svg";
  const image = document.createElementNS(space, "svg");
  image.setAttribute("viewBox", `0 0 ${historyLength - 1} 40`);
  image.setAttribute("preserveAspectRatio", "none");
  image.setAttribute("class", "spark");
  image.setAttribute("role", "img");
  image.setAttribute("aria-label", "Requests per second over the last minute");
  const top = Math.max(1, ...values);
  const start = historyLength - values.length;
  const points = values.map((value, index) => `${start + index} ${(39 - 37 * value / top).toFixed(2)}`);
  for (const [name, path] of [["area", `M${start} 40L${points.join("L")}L${historyLength - 1} 40Z`], ["", "M" + points.join("L")]]) {
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    if (name) line.setAttribute("class", name);
    image.append(line);
  }
  return image;
}

function portTable(instance, before, seconds) {
  const body = make("tbody");
  for (const port of instance.ports) {
    if (port.requests === 0) continue;
    const rate = change(port, before && before.ports.find((one) => one.port === port.port), seconds);
    const errors = make("td", "number" + (rate.errors > 0 ? " failed" : ""), amount(port.errors));
    body.append(make("tr", rate.requests > 0 ? "" : "idle",
      make("td", "", port.port), make("td", "number", amount(rate.requests)),
      make("td", "number", duration(rate.average ?? port.microseconds / port.requests / 1000)),
      make("td", "number", amount(port.requests)), errors));
  }
  if (!body.children.length) return make("p", "muted", "No request has come yet.");
  const head = make("tr", "", make("th", "", "Port"), make("th", "number", "per second"), make("th", "number", "average"),
    make("th", "number", "requests"), make("th", "number", "errors"));
  return make("table", "", make("thead", "", head), body);
}

function card(instance, before, seconds) {
  const rate = change(totals(instance), before && totals(before), seconds);
  const rates = history.get(instance.name) ?? [];
  if (before) rates.push(rate.requests);
  while (rates.length > historyLength) rates.shift();
  history.set(instance.name, rates);
  const isServing = instance.phase === "serving" && !instance.problem;
  const head = make("div", "card-head", make("h3", "", instance.name), make("span", "store", instance.store),
    make("span", "phase pill " + (isServing ? "good" : "bad"), instance.problem ? "not ready" : instance.phase));
  const result = make("article", "card", head);
  if (instance.problem) result.append(make("p", "problem", instance.problem));
  result.append(make("dl", "figures",
    figure("Requests", amount(rate.requests), "/s"),
    figure("Errors", amount(rate.errors), "/s", rate.errors > 0),
    figure("Average", ...duration(rate.average).split(" ")),
    figure("In flight", String(instance.in_flight), "of " + amount(instance.limit)),
    figure("Received", ...split(rate.bytes_in)), figure("Sent", ...split(rate.bytes_out)),
    figure("Uploads", String(instance.uploads), "open"), figure("In all", amount(totals(instance).requests), "requests")));
  result.append(spark(rates.length > 1 ? rates : [0, 0]), portTable(instance, before, seconds));
  return result;
}

function split(bytes) {
  const [number, unit] = size(bytes).split(" ");
  return [number, unit + "/s"];
}

function showState(state) {
  const seconds = last ? (new Date(state.now) - new Date(last.now)) / 1000 : 0;
  $("version").textContent = state.version;
  const isUp = state.nats.every((one) => one.state === "connected");
  const isReady = isUp && state.instances.every((one) => one.phase === "serving" && !one.problem);
  setStatus(isReady ? "ready" : "not ready", isReady ? "good" : "bad");
  $("nats").replaceChildren(...state.nats.map((one) => make("span", one.state === "connected" ? "" : "bad",
    "NATS " + one.name + " ", make("b", "", one.state), one.url ? " " + one.url : "",
    one.reconnects > 0 ? `, ${one.reconnects} reconnects` : "")));
  showProcess(state, seconds);
  $("instances").replaceChildren(...state.instances.map((instance) =>
    card(instance, last && last.instances.find((one) => one.name === instance.name), seconds)));
  showBrowser(state);
  last = state;
}

function showProcess(state, seconds) {
  const facts = [];
  if (state.memory) facts.push(["Memory", size(state.memory)]);
  if (last && state.cpu_ms !== undefined && seconds > 0) {
    facts.push(["CPU", Math.round((state.cpu_ms - last.cpu_ms) / seconds / 10) + " %"]);
  }
  if (state.started) facts.push(["Up", span((new Date(state.now) - new Date(state.started)) / 1000)]);
  $("process").replaceChildren(...facts.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
}

function setStatus(text, kind) {
  $("status").textContent = text;
  $("status").className = "pill " + kind;
  document.title = (kind === "good" ? "" : "● ") + "nats-storage";
}

// MARK: Events

const kinds = ["stored", "retrieved", "deleted", "expired", "failed"];
const hidden = new Set();
const maxRows = 200;
const maxErrors = 50;
let isPaused = false;

function eventRow(event, isNew) {
  const detail = event.type === "failed" ? `${event.operation}: ${event.code}` : "";
  const row = make("tr", isNew ? "new" : "",
    make("td", "time", clock(event.time)), make("td", "type " + event.type, event.type),
    make("td", "key", event.key ?? "", event.key && detail ? " " : "", detail ? make("code", "", detail) : ""),
    make("td", "number", event.size === undefined ? "" : size(event.size)), make("td", "muted", event.instance));
  row.dataset.type = event.type;
  row.addEventListener("animationend", () => row.classList.remove("new"), { once: true });
  row.hidden = hidden.has(event.type);
  return row;
}

function errorItem(event) {
  const item = make("li", "", make("div", "what", make("code", "", event.code), make("span", "", event.operation),
    make("span", "muted", event.instance), make("span", "time", clock(event.time))));
  if (event.message) item.append(make("div", "message", event.message));
  return item;
}

function showEvents(batch, isNew) {
  for (const event of batch.events) {
    if (event.type === "failed") $("errors").prepend(errorItem(event));
    if (!isPaused) $("events").prepend(eventRow(event, isNew));
  }
  if (batch.skipped > 0 && !isPaused) {
    const cell = make("td", "muted", `${amount(batch.skipped)} more events are not shown`);
    cell.colSpan = 5;
    $("events").prepend(make("tr", "", cell));
  }
  while ($("events").children.length > maxRows) $("events").lastChild.remove();
  while ($("errors").children.length > maxErrors) $("errors").lastChild.remove();
  $("no-events").hidden = $("events").children.length > 0;
  $("no-errors").hidden = $("errors").children.length > 0;
}

for (const kind of kinds) {
  const chip = make("button", "chip " + kind, kind);
  chip.type = "button";
  chip.setAttribute("aria-pressed", "true");
  chip.addEventListener("click", () => {
    if (!hidden.delete(kind)) hidden.add(kind);
    chip.setAttribute("aria-pressed", String(!hidden.has(kind)));
    for (const row of $("events").children) row.hidden = hidden.has(row.dataset.type);
  });
  $("types").append(chip);
}

$("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
  $("pause").textContent = isPaused ? "Resume" : "Pause";
});

// MARK: Keys

let shown = { instance: null, prefix: "", next: null };
let asked = 0;

function showBrowser(state) {
  $("browser").hidden = !state.browse || state.instances.length === 0;
  const names = state.instances.map((one) => one.name);
  if ($("browser").hidden || [...$("instance").options].map((one) => one.value).join("\n") === names.join("\n")) return;
  $("instance").replaceChildren(...names.map((name) => { const option = make("option", "", name); option.value = name; return option; }));
  browse(names[0], "");
}

function crumb(name, prefix) {
  const button = make("button", "key", name);
  button.type = "button";
  button.addEventListener("click", () => browse(shown.instance, prefix));
  return button;
}

async function browse(instance, prefix, after) {
  const number = asked += 1;
  const query = new URLSearchParams({ instance, prefix });
  if (after) query.set("after", after);
  let page, problem;
  try {
    const response = await fetch("keys?" + query);
    if (response.ok) page = await response.json(); else problem = await response.text();
  } catch (error) {
    problem = "The component does not answer.";
  }
  if (number !== asked) return;
  shown = { instance, prefix, next: page ? page.next : null };
  showKeys(page ?? { prefixes: [], objects: [] }, Boolean(after), problem);
}

function showKeys(page, isMore, problem) {
  const parts = shown.prefix.split("/").slice(0, -1);
  $("crumbs").replaceChildren(crumb("all", ""),
    ...parts.flatMap((part, index) => ["/", crumb(part, parts.slice(0, index + 1).join("/") + "/")]));
  if (document.activeElement !== $("prefix")) $("prefix").value = shown.prefix;
  const rows = page.prefixes.map((prefix) => {
    const folder = crumb(prefix, prefix);
    folder.className = "folder key";
    const cell = make("td", "", folder);
    cell.colSpan = 4;
    return make("tr", "", cell);
  });
  rows.push(...page.objects.map((object) => make("tr", "", make("td", "key", object.key),
    make("td", "number", size(object.size)), make("td", "time", new Date(object.modified).toLocaleString([], { hour12: false })),
    make("td", "muted", object.content_type ?? ""))));
  if (isMore) $("keys").append(...rows); else $("keys").replaceChildren(...rows);
  $("no-keys").textContent = problem ?? "No key begins with this.";
  $("no-keys").hidden = !problem && $("keys").children.length > 0;
  $("more").hidden = !shown.next;
}

$("instance").addEventListener("change", () => browse($("instance").value, ""));
$("more").addEventListener("click", () => browse(shown.instance, shown.prefix, shown.next));
$("go").addEventListener("submit", (event) => { event.preventDefault(); browse(shown.instance, $("prefix").value); });

// MARK: The stream

function follow() {
  const stream = new EventSource("live");
  let isFirst = true;
  stream.addEventListener("open", () => {
    // After an interruption the last events come again.
    $("events").replaceChildren();
    $("errors").replaceChildren();
    isFirst = true;
  });
  stream.addEventListener("state", (message) => showState(JSON.parse(message.data)));
  stream.addEventListener("events", (message) => {
    showEvents(JSON.parse(message.data), !isFirst);
    isFirst = false;
  });
  stream.addEventListener("error", () => {
    setStatus("no connection", "warn");
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  });
}

follow();
