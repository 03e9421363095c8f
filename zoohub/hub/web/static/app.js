// What pages do better with JavaScript: results while typing, filters without a reload. Nothing needs it.
"use strict";

const results = document.querySelector("#results");
const form = document.querySelector("form[data-instant]");
const narrow = window.matchMedia("(max-width: 800px)");
let running = null;

function foldFilters() {
  const filters = document.querySelector("details.facets");
  if (filters && narrow.matches && !filters.dataset.folded) filters.open = false;
  if (filters) filters.dataset.folded = "1";
}

async function show(address, { push = true } = {}) {
  running?.abort();
  running = new AbortController();
  const partial = new URL(address, location.href);
  const open = document.querySelector("details.facets")?.open;
  partial.searchParams.set("partial", "1");
  results.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(partial, { signal: running.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    results.innerHTML = await answer.text();
    const filters = document.querySelector("details.facets");
    if (filters) { filters.open = open; filters.dataset.folded = "1"; }
    if (push) history.replaceState(null, "", address);
    results.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name !== "AbortError") location.href = address;
  }
}

function address() {
  const query = new URLSearchParams();
  for (const [key, value] of new FormData(form)) if (value && !(key === "sort" && value === "relevance")) query.append(key, value);
  return `${form.action}?${query}`;
}

// The filters that are on stand in the form as hidden fields, so that submitting keeps them.
function keepFilters(from) {
  for (const field of form.querySelectorAll("input[type=hidden]")) field.remove();
  const text = new Set(["q", "sort", "cursor", "partial", "lang"]);
  for (const [key, value] of new URL(from, location.href).searchParams) {
    if (text.has(key)) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: key, value });
    form.append(field);
  }
}

if (form && results) {
  let timer = 0;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => show(address()), 150); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); show(address()); });
  results.addEventListener("click", (event) => {
    const link = event.target.closest(".facets a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    keepFilters(link.href);
    show(link.href);
  });
}
foldFilters();
