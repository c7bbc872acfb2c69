"use strict";

const element = (id) => document.getElementById(id);
const model = element("model");
const file = element("file");
const drop = element("drop");
const preview = element("preview");
const status = element("status");
const result = element("result");

let token = "";
let image = null;
let latest = 0;

function say(text, isError = false) {
  status.textContent = text;
  status.classList.toggle("error", isError);
}

async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { method: "POST", ...options, headers: { ...headers, ...options.headers } });
  if (response.status === 401) element("token-field").hidden = false;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

async function listModels() {
  try {
    const models = await ask("/v2/repository/index", { body: JSON.stringify({ ready: true }) });
    const names = [...new Set(models.map((entry) => entry.name))];
    model.replaceChildren(...names.map((name) => new Option(name, name)));
    say(names.length ? "" : "No model is ready.", !names.length);
  } catch (error) {
    say(error.message, true);
  }
}

function row(prediction) {
  const percent = (100 * prediction.probability).toFixed(1) + " %";
  const line = document.createElement("tr");
  const label = document.createElement("td");
  label.textContent = prediction.label;
  const bar = document.createElement("td");
  const track = document.createElement("div");
  track.className = "track";
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  shape.setAttribute("class", "bar");
  shape.setAttribute("viewBox", "0 0 100 10");
  shape.setAttribute("preserveAspectRatio", "none");
  shape.setAttribute("aria-hidden", "true");
  const filled = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  filled.setAttribute("width", String(100 * prediction.probability));
  filled.setAttribute("height", "10");
  shape.append(filled);
  track.append(shape);
  bar.append(track);
  const value = document.createElement("td");
  value.textContent = percent;
  line.append(label, bar, value);
  return line;
}

async function classify() {
  if (!image || !model.value) return;
  const turn = ++latest;
  say("Classifying …");
  const begin = performance.now();
  try {
    const answer = await ask(`/v2/models/${encodeURIComponent(model.value)}/classify?top_k=5`, {
      body: image,
      headers: { "Content-Type": image.type || "application/octet-stream" },
    });
    if (turn !== latest) return;
    element("classes").replaceChildren(...answer.predictions.map(row));
    result.hidden = false;
    const best = answer.predictions[0];
    say(`${best ? best.label : "Nothing"}, in ${Math.round(performance.now() - begin)} ms`);
  } catch (error) {
    if (turn !== latest) return;
    result.hidden = true;
    say(error.message, true);
  }
}

function use(chosen) {
  if (!chosen) return;
  image = chosen;
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(chosen);
  preview.alt = `The chosen photograph, ${chosen.name || "pasted"}`;
  preview.hidden = false;
  classify();
}

file.addEventListener("change", () => use(file.files[0]));
model.addEventListener("change", classify);
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  use(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => use(event.clipboardData.files[0]));
element("token-use").addEventListener("click", async () => {
  token = element("token").value;
  await listModels();
  classify();
});

listModels();
