// What audit.go says, asked of the document at hand; the answer is a list of sentences.
(() => {
  const faults = [];
  const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.name ? "[name=" + e.name + "]" : "") + (e.className && typeof e.className === "string" ? "." + e.className.trim().replace(/\s+/g, ".") : "");
  const all = (s) => Array.from(document.querySelectorAll(s));
  const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && e.getClientRects().length > 0;
  const words = (e) => ((e.getAttribute("aria-label") || "") + (e.getAttribute("aria-labelledby") || "").split(/\s+/).map((i) => (i && document.getElementById(i) ? document.getElementById(i).textContent : "")).join("") + e.textContent + Array.from(e.querySelectorAll("img")).map((i) => i.alt).join("") + (e.title || "")).trim();

  if (!document.documentElement.lang) faults.push("the page says no language");
  if (!document.title.trim()) faults.push("the page has no title");
  const h1 = all("h1").filter(seen);
  if (h1.length !== 1) faults.push("the page has " + h1.length + " first headings, it should have one");
  let last = 0;
  for (const h of all("h1, h2, h3, h4, h5, h6").filter(seen)) {
    const level = Number(h.tagName[1]);
    if (level > last + 1) faults.push("a heading of level " + level + " follows one of level " + last + ": " + h.textContent.trim());
    last = level;
  }
  for (const e of all("input:not([type=hidden]), select, textarea")) {
    const by = e.labels && e.labels.length ? Array.from(e.labels).map((l) => l.textContent).join("") : words(e);
    if (!by.trim()) faults.push("a field has no label: " + name(e));
  }
  for (const e of all("a[href], button, summary")) if (!words(e)) faults.push("nothing says what this does: " + name(e));
  for (const e of all("img:not([alt])")) faults.push("a picture has no text: " + name(e));
  for (const e of all("iframe:not([title])")) faults.push("a frame has no title");
  for (const e of all("th:not([scope])")) faults.push("a table's heading does not say what it heads: " + e.textContent.trim());
  const ids = new Set();
  for (const e of all("[id]")) {
    if (ids.has(e.id)) faults.push("an id stands twice: " + e.id);
    ids.add(e.id);
  }
  for (const a of ["aria-describedby", "aria-labelledby", "for", "form"])
    for (const e of all("[" + a + "]"))
      for (const i of e.getAttribute(a).split(/\s+/)) if (i && !ids.has(i)) faults.push(a + " leads nowhere: " + i);
  for (const e of all('a[href^="#"]')) if (!ids.has(e.getAttribute("href").slice(1))) faults.push("a link leads nowhere on its page: " + e.getAttribute("href"));
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) faults.push("a tab stop is put out of order: " + name(e));
  // Of what can be pressed. Links within a sentence are excepted, as in WCAG 2.5.8.
  for (const e of all("button, input:not([type=hidden]), select, summary, nav a").filter(seen)) {
    const r = e.getBoundingClientRect();
    const l = e.labels && e.labels[0] ? e.labels[0].getBoundingClientRect() : r;
    if (Math.max(r.height, l.height) < 20 || Math.max(r.width, l.width) < 20) faults.push("too small for a finger: " + name(e) + " " + Math.round(r.width) + "x" + Math.round(r.height));
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) {
    const who = all("body *").filter((e) => seen(e) && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(name);
    faults.push("the page is " + wide + " pixels wider than the window: " + who.slice(0, 4).join(", "));
  }

  const parse = (c) => {
    const m = c.match(/[\d.]+/g);
    if (!m) return [0, 0, 0, 0];
    const v = m.map(Number);
    return c.startsWith("color(") ? [v[0] * 255, v[1] * 255, v[2] * 255, v.length > 3 ? v[3] : 1] : [v[0], v[1], v[2], v.length > 3 ? v[3] : 1];
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = (c) => {
    const [r, g, b] = c.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches && /dark/.test(getComputedStyle(document.documentElement).colorScheme) ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const ground = (e) => {
    const layers = [];
    for (let p = e; p; p = p.parentElement) {
      const c = parse(getComputedStyle(p).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((below, c) => over(c, below), canvas);
  };
  const told = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (!n.textContent.trim() || !seen(e) || e.closest("[disabled], .hidden, .sr-only, script, style, option")) continue;
    const s = getComputedStyle(e);
    let opacity = 1;
    for (let p = e; p; p = p.parentElement) opacity *= Number(getComputedStyle(p).opacity);
    const back = ground(e);
    const c = parse(s.color);
    c[3] *= opacity;
    const fore = over(c, back);
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(s.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(s.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < least) {
      const line = "text stands out too little (" + ratio.toFixed(2) + " to 1): " + name(e);
      if (!told.has(line)) faults.push(line + " “" + n.textContent.trim().slice(0, 40) + "”");
      told.add(line);
    }
  }
  return faults;
})()
