// The form of page.html, and the answers of /api/recommend. Whatever comes from the server is shown as text.
"use strict";

const id = (name) => document.getElementById(name);
const form = id("form");
const scales = new Map(); // model -> its scale of ratings
let asked = 0; // answers of all but the last question are dropped

function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function show(place, text) {
  place.textContent = text;
  place.hidden = !text;
}

async function fetched(address, options) {
  const response = await fetch(address, options);
  const value = await response.json();
  if (!response.ok) throw new Error(value.error);
  return value;
}

// ---- the form

const lines = (name) => id(name).value.split("\n").map((line) => line.trim()).filter(Boolean);
const chosen = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value);
const number = (name) => (id(name).value === "" ? null : id(name).valueAsNumber);

function isNew() {
  return chosen("who")[0] === "history";
}

function request() {
  const who = isNew() ? { history: lines("history") } : { users: [id("user").value.trim()].filter(Boolean) };
  const years = [number("from"), number("to")];
  return {
    ...who,
    genre: chosen("genre"),
    not_genre: chosen("not_genre"),
    ...(years.some((year) => year !== null) && { years }),
    deny: lines("deny"),
    k: number("k") ?? 10,
    include_seen: id("include_seen").checked,
    // Reasons are in the milliseconds, and not every model has any: without them the times can be compared.
    explain: id("why").checked ? 2 : 0,
  };
}

function showWho() {
  id("of-user").hidden = isNew();
  id("of-history").hidden = !isNew();
}

// What an address asks, ?user=9&genre=Comedy, so that a question can be kept and reloaded.
function fill(values) {
  for (const name of ["user", "history", "from", "to", "deny", "k"]) {
    if (values.has(name)) id(name).value = values.get(name);
  }
  for (const box of form.querySelectorAll("[type=checkbox], [type=radio]")) {
    if (values.has(box.name)) box.checked = values.getAll(box.name).includes(box.value);
  }
}

function address() {
  const values = new URLSearchParams();
  const data = new FormData(form);
  for (const [name, value] of data) {
    const isOther = name === (isNew() ? "user" : "history");
    if (value !== "" && !isOther) values.append(name, value);
  }
  return `/?${values}`;
}

function addGenres(genres) {
  id("kinds").hidden = genres.length === 0;
  for (const group of form.querySelectorAll(".genres")) {
    for (const genre of genres) {
      const box = element("input");
      Object.assign(box, { type: "checkbox", name: group.dataset.name, value: genre });
      const label = element("label");
      label.append(box, genre);
      group.append(label);
    }
  }
}

async function suggest(event) {
  const text = event.target.value.trim();
  if (text.length < 2) return;
  const { names } = await fetched(`/api/names?${new URLSearchParams({ text })}`);
  if (event.target.value.trim() !== text) return;
  id("found").replaceChildren(...names.map((name) => Object.assign(element("option"), { value: name })));
}

function add(name) {
  const input = id(`add-${name}`);
  if (input.value.trim()) id(name).value = [...lines(name), input.value.trim()].join("\n");
  input.value = "";
  input.focus();
}

// ---- the answers

const count = (n) => n.toLocaleString("en");

function cost(answer) {
  const list = element("dl", undefined, "cost");
  const parts = [];
  if (answer.milliseconds !== undefined) parts.push(["milliseconds", answer.milliseconds.toFixed(1)]);
  if (answer.multiplications !== null) parts.push(["multiplications", count(answer.multiplications)]);
  for (const [what, value] of parts) {
    const part = element("div");
    part.append(element("dt", what), element("dd", value));
    list.append(part);
  }
  return list;
}

function score(model, row) {
  if (row.score === null) return "no score";
  const scale = scales.get(model);
  if (!scale) return `score ${row.score.toPrecision(3)}`;
  return `${Math.min(Math.max(row.score, scale[0]), scale[1]).toFixed(2)} stars`;
}

function line(model, row, isInAll) {
  const item = element("li", undefined, isInAll ? "both" : "");
  const name = row.title || `item ${row.item}`;
  const year = row.year !== null && !/\(\d{4}\)/.test(name) ? ` (${row.year})` : ""; // MovieLens's titles hold it
  item.append(element("span", `${row.rank}.`, "rank"), element("span", name + year, "title"));
  item.append(element("span", score(model, row), "score"));
  const mean = row.average_rating === null ? "" : `, ${row.average_rating.toFixed(2)} stars on average`;
  const more = [row.genres.join(", "), `${count(row.num_ratings)} ratings${mean}`, isInAll ? "in every list" : ""];
  item.append(element("span", more.filter(Boolean).join(" · "), "more"));
  if (row.because.length) {
    const reasons = row.because.map((reason) => reason.title || `item ${reason.item}`);
    item.append(element("span", `because of ${reasons.join("; ")}`, "more"));
  }
  return item;
}

function article(answer, inAll) {
  const shown = element("article");
  shown.append(element("h2", answer.model), cost(answer));
  if (answer.not_counted) shown.append(element("p", `Multiplications: ${answer.not_counted}.`, "note"));
  if (answer.error) {
    shown.append(element("p", answer.error, "error"));
    return shown;
  }
  const [user] = answer.answer.users;
  const who = user.user === null ? "somebody new" : `user ${user.user}`;
  const seen = `${count(user.num_seen)} films in the history`;
  shown.append(element("p", `${who}, ${seen}, ${count(user.num_candidates)} candidates`, "note"));
  for (const note of user.note.split("; ").filter(Boolean)) shown.append(element("p", note, "note"));
  if (!user.recommendations.length) shown.append(element("p", "Nothing is left to recommend.", "note"));
  const list = element("ol");
  list.append(...user.recommendations.map((row) => line(answer.model, row, inAll.has(String(row.item)))));
  shown.append(list);
  return shown;
}

// The items that every model lists; of one model none.
function common(answers) {
  const lists = answers.filter((a) => a.answer).map((a) => a.answer.users[0].recommendations.map((r) => String(r.item)));
  if (lists.length < 2) return new Set();
  return new Set(lists[0].filter((item) => lists.every((list) => list.includes(item))));
}

function summary(answers, inAll) {
  const answered = answers.filter((a) => a.answer);
  if (answered.length < 2) return "";
  const counts = answered.map((a) => a.multiplications);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const ratio = counts.every(Boolean) && most > least ? ` Multiplications differ by a factor of ${(most / least).toPrecision(2)}.` : "";
  const films = inAll.size === 1 ? "1 film is" : `${inAll.size} films are`;
  return `${films} in every list.${ratio}`;
}

async function recommend() {
  const mine = ++asked;
  id("status").textContent = "asking …";
  let answers = [];
  let error = "";
  try {
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request()) };
    ({ answers } = await fetched("/api/recommend", options));
  } catch (failure) {
    error = failure instanceof TypeError ? "The server does not answer. Is it still running?" : failure.message;
  }
  if (mine !== asked) return;
  const inAll = common(answers);
  show(id("error"), error);
  show(id("summary"), summary(answers, inAll));
  id("answers").replaceChildren(...answers.map((answer) => article(answer, inAll)));
  id("status").textContent = error ? "" : "answered";
}

async function begin() {
  const { models } = await fetched("/api/models");
  for (const model of models) scales.set(model.model, model.scale);
  const [first] = models;
  addGenres(first.genres);
  id("years").hidden = !first.years;
  if (first.years) [id("from").placeholder, id("to").placeholder] = first.years;
  id("users").textContent = `one of ${count(first.num_users)}, for example ${first.first_user}`;
  id("user").value = first.first_user;
  const values = new URLSearchParams(location.search);
  fill(values);
  id("without").open = chosen("not_genre").length > 0;
  showWho();
  if (values.size) await recommend();
}

form.addEventListener("change", (event) => event.target.name === "who" && showWho());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  history.replaceState(null, "", address());
  recommend();
});
for (const button of form.querySelectorAll("[data-to]")) {
  const input = id(`add-${button.dataset.to}`);
  button.addEventListener("click", () => add(button.dataset.to));
  input.addEventListener("input", (event) => suggest(event).catch(() => {}));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add(button.dataset.to);
  });
}
begin().catch((failure) => show(id("error"), failure.message));
