// Lays the mark over a page, and proves to the gateway that it is there. docs/trace.md says what it sees and what
// nothing in a browser can see. It changes nothing of the page but one element beside its body.
(() => {
  "use strict";
  const me = document.currentScript;
  const page = me?.dataset.page;
  if (!page) return;
  me.remove();

  // The order in which faults are signed (model::MarkFaultKind).
  const KINDS = ["removed", "hidden", "covered", "replaced", "printed", "captured"];
  const TILE = 384;
  const { subtle } = crypto;
  const ask = fetch.bind(window);
  const styleOf = getComputedStyle.bind(window);

  let mark = null; // { bucket, key, url, image }: the picture that is painted
  let challenge = "";
  let every = 2000, renewAt = Infinity, beatAt = 0;
  let busy = false, again = false, over = false;
  let told = {};
  const noticed = new Set(), reported = new Set();

  // What lies over the page: a host in the top layer, and in its closed shadow the picture.
  let host, root, layer, label, rules;
  const build = () => {
    host?.remove();
    host = document.createElement("div");
    host.setAttribute("aria-hidden", "true");
    host.setAttribute("popover", "manual");
    root = host.attachShadow({ mode: "closed" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      :host { all: initial !important; display: block !important; position: fixed !important; inset: 0 !important;
        width: auto !important; height: auto !important; z-index: 2147483647 !important; overflow: hidden !important;
        pointer-events: none !important; user-select: none !important; forced-color-adjust: none !important }
      .picture { position: absolute; inset: 0; background-repeat: repeat; background-position: 0 0;
        print-color-adjust: exact; -webkit-print-color-adjust: exact; forced-color-adjust: none }
      .label { position: absolute; right: 12px; bottom: 10px; font: 13px/1.3 system-ui, sans-serif;
        color: #888; opacity: .55; white-space: nowrap }
      .note { position: absolute; left: 50%; bottom: 16px; transform: translateX(-50%); max-width: 90%;
        padding: 8px 14px; border-radius: 6px; font: 14px/1.4 system-ui, sans-serif; color: #fff; background: #333 }`);
    root.adoptedStyleSheets = [sheet];
    rules = sheet.cssRules;
    layer = root.appendChild(document.createElement("div"));
    layer.className = "picture";
    label = null;
    document.documentElement.append(host);
    eye?.disconnect();
    eye?.observe(layer);
    inside.disconnect();
    inside.observe(root, { childList: true, subtree: true, attributes: true, characterData: true });
    inside.observe(host, { attributes: true, attributeFilter: ["style", "class", "hidden", "popover", "inert"] });
    coveredSince = 0;
    paint();
    raise();
    write();
  };

  // On top of dialogs and of what fills the screen too: the top layer is ordered by when its elements came.
  let beneath = new Set();
  const raise = () => {
    try {
      if (host.matches(":popover-open")) host.hidePopover();
      host.showPopover();
    } catch { /* A browser without popovers has the z-index. */ }
  };
  const onTop = () => {
    let now;
    try { now = [...document.querySelectorAll(":is(:modal, :popover-open, :fullscreen)")]; } catch { return; }
    const others = now.filter((element) => element !== host);
    if (others.some((element) => !beneath.has(element))) raise();
    beneath = new Set(others);
  };

  // The detector looks for a tile of 384 CSS pixels, in frames of at most 1920 pixels along the longer side. What high
  // zoom or a large screen would take beyond what it tries (0.45 to 1.75) is made smaller or larger here.
  const size = () => {
    const ratio = devicePixelRatio || 1;
    const long = Math.max(innerWidth, innerHeight) * ratio;
    const scale = ratio / Math.max(1, long / 1920);
    const wanted = TILE * Math.min(1.5, Math.max(0.67, scale)) / scale;
    return Math.round(wanted * ratio) / ratio;
  };
  const paint = () => {
    if (!mark) return;
    const side = `${size()}px`;
    rules[1].style.backgroundImage = `url("${mark.url}")`;
    rules[1].style.backgroundSize = `${side} ${side}`;
    mark.image = styleOf(layer).backgroundImage;
  };

  let renewing = null;
  const renew = () => (renewing ??= fetchMark().finally(() => { renewing = null; }));
  const fetchMark = async () => {
    const answer = await ask("/.sightline/mark/tile.png", { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) return;
    const bytes = await answer.arrayBuffer();
    // The picture itself is the key: whoever has not got it cannot sign.
    const digest = await subtle.digest("SHA-256", bytes);
    const key = await subtle.importKey("raw", digest, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    const before = mark;
    mark = { bucket: Number(answer.headers.get("sightline-bucket")), key, url };
    paint();
    if (before) URL.revokeObjectURL(before.url);
  };

  const notice = (kind) => {
    if (reported.has(kind)) return;
    reported.add(kind);
    noticed.add(kind);
    beat();
  };

  const isWhole = () => {
    const outer = styleOf(host), inner = styleOf(layer);
    for (const style of [outer, inner]) {
      if (style.display === "none" || style.visibility !== "visible" || Number(style.opacity) < 1) return false;
      if (style.transform !== "none" || style.filter !== "none" || style.clipPath !== "none") return false;
      if ((style.maskImage ?? "none") !== "none" || style.mixBlendMode !== "normal") return false;
      if ((style.translate ?? "none") !== "none" || (style.scale ?? "none") !== "none") return false;
    }
    const box = layer.getBoundingClientRect(), view = document.documentElement;
    return box.left <= 1 && box.top <= 1 && box.right >= view.clientWidth - 1 && box.bottom >= innerHeight - 20;
  };
  let coveredSince = 0;
  const look = () => {
    if (over || document.visibilityState !== "visible") return;
    if (!host.isConnected || host.parentNode !== document.documentElement || layer.parentNode !== root) {
      notice("removed");
      return build();
    }
    onTop();
    if (!mark) return;
    if (!isWhole()) {
      notice("hidden");
      return build();
    }
    const style = styleOf(layer);
    if (style.backgroundImage !== mark.image || !style.backgroundSize.startsWith(`${size()}px`)) {
      notice("replaced");
      return build();
    }
    if (isCovered()) notice("covered");
  };

  // Where the browser says whether something lies over an element, it is asked; elsewhere a few places are probed.
  const eye = "IntersectionObserver" in window && "isVisible" in IntersectionObserverEntry.prototype
    ? new IntersectionObserver((seen) => {
        coveredSince = seen.at(-1).isVisible ? 0 : coveredSince || performance.now();
      }, { trackVisibility: true, delay: 100, threshold: [0, 1] })
    : null;
  const isCovered = () => {
    if (eye) return coveredSince > 0 && performance.now() - coveredSince > 1500;
    if (document.querySelector("dialog[open], :fullscreen")) return false;
    rules[0].style.setProperty("pointer-events", "auto", "important");
    const clear = [0.1, 0.35, 0.5, 0.8].every((part) =>
      document.elementFromPoint(innerWidth * part, innerHeight * (1 - part)) === host);
    rules[0].style.setProperty("pointer-events", "none", "important");
    return !clear;
  };

  const inside = new MutationObserver((changes) => {
    // Nothing here changes by itself, but the label.
    const ours = (change) => label && (change.target === label || label.contains(change.target));
    if (changes.some((change) => change.target === host)) notice("hidden");
    if (changes.some((change) => change.target !== host && !ours(change))) look();
  });
  new MutationObserver(() => look()).observe(document.documentElement, { childList: true });

  // Name and time for people to read, and what to do where something is masked.
  const PLACES = [["12px", "auto"], ["12px", "45%"], ["40%", "45%"], ["40%", "auto"], ["70%", "auto"], ["70%", "45%"]];
  const write = () => {
    inside.disconnect();
    const texts = [];
    if (told.visible && told.visible !== "off") {
      const now = new Date().toISOString().slice(0, 16).replace("T", " ");
      texts.push(["label", `${told.name} · ${now} UTC`]);
    }
    if (told.masked) {
      texts.push(["note", "The gateway could not see its mark on a page. Contact and account details stay masked until you reload."]);
    }
    for (const old of [...root.children]) if (old !== layer) old.remove();
    label = null;
    for (const [name, text] of texts) {
      // Beneath the picture: what lies over it would cover it.
      const element = root.insertBefore(document.createElement("div"), layer);
      element.className = name;
      element.textContent = text;
      if (name === "label" && told.visible === "moving") {
        const [right, bottom] = PLACES[Math.floor(Date.now() / 30000) % PLACES.length];
        rules[2].style.right = right;
        rules[2].style.bottom = bottom === "auto" ? "10px" : bottom;
      }
    }
    inside.observe(root, { childList: true, subtree: true, attributes: true, characterData: true });
    inside.observe(host, { attributes: true, attributeFilter: ["style", "class", "hidden", "popover", "inert"] });
  };

  const sign = async (text) => {
    if (!mark) return "";
    const mac = await subtle.sign("HMAC", mark.key, new TextEncoder().encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(mac))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const send = (body) => ask("/.sightline/mark/beat", {
    method: "POST", keepalive: true, cache: "no-store", credentials: "same-origin",
    headers: { "content-type": "application/json" }, body: JSON.stringify({ page, ...body }),
  });
  const beat = async (back) => {
    if (over) return;
    if (busy) { again = true; return; }
    busy = true;
    const faults = KINDS.filter((kind) => noticed.has(kind));
    try {
      const seen = back === true ? "back" : document.visibilityState === "visible" ? "shown" : "hidden";
      const bucket = mark?.bucket ?? 0;
      const answered = challenge;
      const answer = answered ? await sign(`${page}\n${answered}\n${seen}\n${bucket}\n${faults.join(",")}`) : "";
      const reply = await send({ challenge: answered, seen, bucket, faults, answer });
      if (reply.status === 401) { over = true; return; }
      if (!reply.ok) return;
      faults.forEach((kind) => noticed.delete(kind));
      const before = JSON.stringify([told.visible, told.name, told.masked]);
      told = await reply.json();
      challenge = told.challenge;
      every = told.every;
      if (told.bucket && told.bucket !== mark?.bucket) {
        // Not everybody at once: the five minutes end for all pages at the same moment.
        if (!mark) await renew();
        else renewAt = Math.min(renewAt, performance.now() + Math.random() * 15000);
      }
      if (before !== JSON.stringify([told.visible, told.name, told.masked])) write();
      if (!answered && every) again = true;
    } catch { /* The gateway cannot be reached for now; the next beat tries again. */ } finally {
      busy = false;
      beatAt = performance.now() + (every || 60000);
      if (again) { again = false; beat(); }
    }
  };

  setInterval(() => {
    look();
    const now = performance.now();
    if (now >= renewAt) {
      renewAt = Infinity;
      renew().catch(() => { renewAt = now + 3000; });
    }
    if (now >= beatAt && document.visibilityState === "visible") beat();
    if (told.visible && told.visible !== "off" && now % 30000 < 1000) write();
  }, 1000);
  addEventListener("visibilitychange", beat);
  addEventListener("resize", () => { paint(); });
  addEventListener("fullscreenchange", onTop);
  addEventListener("toggle", onTop, true);
  addEventListener("pagehide", () => {
    const faults = KINDS.filter((kind) => noticed.has(kind));
    send({ challenge: "", seen: "gone", bucket: 0, faults, answer: "" }).catch(() => {});
    challenge = "";
  });
  addEventListener("pageshow", (event) => { if (event.persisted) beat(true); });

  // On paper an element of the top layer stands on one page only, a fixed one on every page.
  addEventListener("beforeprint", () => { notice("printed"); try { host.hidePopover(); } catch { /* as above */ } });
  addEventListener("afterprint", raise);

  const tell = (owner, name, kind) => {
    const original = owner?.[name];
    if (typeof original !== "function") return;
    const told = { [name](...given) { notice(kind); return Reflect.apply(original, this, given); } };
    Object.defineProperty(owner, name, { configurable: true, writable: true, value: told[name] });
  };
  tell(window.MediaDevices?.prototype, "getDisplayMedia", "captured");
  tell(window.HTMLMediaElement?.prototype, "captureStream", "captured");

  build();
  renew().then(beat, beat);
  beat();
})();
