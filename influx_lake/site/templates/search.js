"use strict";
(() => {
  const form = document.querySelector("form.search");
  const field = document.getElementById("search");
  const told = document.getElementById("found");
  const rows = [...document.querySelectorAll("#measurements > tr")].map((row) => ({
    row,
    words: row.dataset.words,
    columns: [...row.querySelectorAll("[data-words]")],
  }));
  const search = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { row, words, columns } of rows) {
      const texts = [words, ...columns.map((column) => column.dataset.words)];
      const matches = wanted.every((word) => texts.some((text) => text.includes(word)));
      row.hidden = !matches;
      found += matches ? 1 : 0;
      // Of the columns those are shown that were looked for, where any were.
      const hits = columns.map((column) => wanted.some((word) => column.dataset.words.includes(word)));
      columns.forEach((column, at) => { column.hidden = wanted.length > 0 && hits.some(Boolean) && !hits[at]; });
    }
    told.textContent = `${found} of ${rows.length} measurement${rows.length === 1 ? "" : "s"}`;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", search);
  if (location.hash.length > 1) field.value = decodeURIComponent(location.hash.slice(1));
  search();
})();
