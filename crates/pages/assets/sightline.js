// Pages work without this file. It keeps relative times fresh, moves through tables by keyboard,
// copies reference numbers, and tells htmx when the ledger has grown.
(() => {
  "use strict";

  // relative times, in the words of pages::relative
  const relative = (ms) => {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 10) return "just now";
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 21600 && s % 3600 >= 60) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    return null;
  };
  const freshen = () => {
    for (const t of document.querySelectorAll("time[data-relative]")) {
      const ago = Date.now() - Date.parse(t.dateTime);
      const words = ago >= 0 && relative(ago);
      if (words && t.textContent !== words) t.textContent = words;
    }
  };
  setInterval(freshen, 5000);

  // keyboard: j and k walk the rows of the table in sight, "/" goes to the first filter, g + letter to a page
  const typing = (el) => el.closest("input, select, textarea, [contenteditable]");
  const rows = () => [...document.querySelectorAll("[data-keys] tbody tr, [data-keys] > li")].filter((r) => r.querySelector("a, button"));
  const walk = (by) => {
    const all = rows();
    if (!all.length) return;
    const here = all.findIndex((r) => r.contains(document.activeElement));
    const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by))];
    const stop = next.querySelector("a, button");
    stop.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  let going = 0;
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return;
    if (Date.now() - going < 1500) {
      going = 0;
      const link = document.querySelector(`nav a[data-key="${CSS.escape(e.key)}"]`);
      if (link) { e.preventDefault(); link.click(); }
      return;
    }
    const pressed = e.shiftKey && document.querySelector(`[data-press="${CSS.escape(e.key)}"]`);
    if (pressed) { e.preventDefault(); pressed.click(); return; }
    if (e.key === "g") going = Date.now();
    else if (e.key === "j") walk(1);
    else if (e.key === "k") walk(-1);
    else if (e.key === "/") {
      const filter = document.querySelector("[data-search], form.filters input:not([type=hidden])");
      if (filter) { e.preventDefault(); filter.focus(); filter.select?.(); }
    } else if (e.key === "?") document.querySelector('nav a[data-key="h"]')?.click();
  });

  // on a narrow screen the navigation scrolls: bring where one is into sight
  document.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // copying
  document.addEventListener("click", (e) => {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    const what = document.getElementById(button.dataset.copy);
    navigator.clipboard?.writeText(what.textContent.trim()).then(() => { button.textContent = "Copied"; });
  });

  // live: the server says that the ledger has grown; what listens for "grew" fetches itself again
  const live = document.querySelector("[data-events]");
  if (live && window.EventSource && window.htmx) {
    let source = null, due = 0;
    const say = (state, words) => { live.dataset.live = state; live.textContent = words; };
    // Whoever is at a link by keyboard keeps it: what is fetched again would pull it away.
    const held = () => document.querySelector("main a:focus-visible, main td :focus-visible");
    const refresh = () => {
      due = held() ? setTimeout(refresh, 700) : 0;
      if (!due) htmx.trigger(document.body, "grew");
    };
    const grew = () => { if (!due && !document.hidden) due = setTimeout(refresh, 700); };
    const start = () => {
      say("off", "Connecting");
      source = new EventSource(live.dataset.events);
      source.addEventListener("open", () => say("on", "Live"));
      source.addEventListener("grew", grew);
      source.addEventListener("error", () => say("off", "Reconnecting"));
    };
    const stop = () => { source.close(); source = null; say("paused", "Paused"); };
    live.hidden = false;
    live.addEventListener("click", () => (source ? stop() : start()));
    document.addEventListener("visibilitychange", () => { if (!document.hidden && source) grew(); });
    start();
  }
  document.addEventListener("htmx:afterSwap", freshen);
})();
