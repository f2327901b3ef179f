"use strict";
(() => {
  const form = document.querySelector(".filter");
  const shown = form.querySelector("output");
  const toggle = form.querySelector("[data-toggle-all]");
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const groups = all("details.group").map((element) => ({
    element,
    words: element.querySelector("summary").textContent.toLowerCase(),
    entries: all("li.entry", element),
  }));
  // Findings are reported once, above; in their area there is a link to them.
  const reported = "li.entry[data-full]";
  const checks = all(reported).length;
  document.documentElement.classList.add("scripted");

  const wants = (state, wanted) =>
    !wanted || state === wanted || (wanted === "findings" && (state === "fail" || state === "error"));

  function filter() {
    const { state, host, area, text } = Object.fromEntries(new FormData(form));
    const words = text.trim().toLowerCase();
    for (const group of groups) {
      const named = !words || group.words.includes(words);
      let any = false;
      for (const entry of group.entries) {
        const data = entry.dataset;
        const fits =
          (named || entry.textContent.toLowerCase().includes(words)) &&
          wants(data.state, state) &&
          (!host || data.host === host) &&
          (!area || data.area === area);
        entry.hidden = !fits;
        any = any || fits;
      }
      group.element.hidden = !any;
    }
    for (const section of all("details.area")) {
      section.hidden = !section.querySelector("details.group:not([hidden])");
    }
    for (const section of all("main > section")) {
      const note = section.querySelector(".nothing");
      if (note) {
        const has = section.querySelector("details.group") !== null;
        note.hidden = !has || section.querySelector("details.group:not([hidden])") !== null;
      }
    }
    const left = all(`${reported}:not([hidden])`).length;
    shown.textContent = left === checks ? `${checks} checks` : `${left} of ${checks} checks`;
    for (const tile of all("[data-set-state]")) {
      tile.setAttribute("aria-pressed", String(tile.dataset.setState === state));
    }
  }

  function set(values) {
    form.reset();
    for (const [name, value] of Object.entries(values)) {
      form.elements[name].value = value;
    }
    filter();
  }

  function reveal(element) {
    for (let at = element; at; at = at.parentElement) {
      if (at instanceof HTMLDetailsElement) at.open = true;
    }
    const target = element.matches("details") ? element.querySelector("summary") : element;
    element.scrollIntoView({ block: "start" });
    target.focus({ preventScroll: true });
  }

  function go(link) {
    const { goHost: host, goArea: area = "", goState: state = "" } = link.dataset;
    set({ host, area });
    const inFindings = !state || ["fail", "error", "waived"].includes(state);
    const found = inFindings ? all(".findings details.group:not([hidden])") : [];
    if (area && found.length === 0) {
      for (const group of all(`#area-${area} details.group:not([hidden])`)) group.open = true;
    }
    for (const group of found) group.open = true;
    reveal(found[0] || document.getElementById(area ? `area-${area}` : "findings"));
  }

  // A link into a part that the filter hides, or that is folded, still leads there.
  function follow() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.closest("[hidden]")) set({});
    reveal(target);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-go-host]");
    const jump = event.target.closest("a.jump");
    const tile = event.target.closest("[data-set-state]");
    if (link || jump) event.preventDefault();
    if (link) go(link);
    if (jump) {
      history.replaceState(null, "", jump.getAttribute("href"));
      follow();
    }
    if (tile) {
      const pressed = tile.getAttribute("aria-pressed") === "true";
      set({ state: pressed ? "" : tile.dataset.setState });
      if (!pressed) form.scrollIntoView({ block: "start" });
    }
  });

  toggle.addEventListener("click", () => {
    const open = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(open));
    toggle.textContent = open ? "Close all" : "Open all";
    for (const element of all("details")) element.open = open;
  });

  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const element of folded) element.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const element of folded) element.open = false;
    folded = [];
  });

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  window.addEventListener("hashchange", follow);
  filter();
  follow();
})();
