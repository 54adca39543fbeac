// Adds what HTML alone cannot do: copying, files and pictures. Without it the page is whole. Nothing is remembered and nothing is sent.
(() => {
  "use strict";
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const chinese = () => byId("lang-zh").checked;
  const words = (id) => textOf(byId(id).content);

  // ── the language of the page ──
  const follow = () => {
    root.lang = chinese() ? "zh-CN" : "en";
    document.title = chinese() ? document.body.dataset.titleZh : document.body.dataset.titleEn;
  };
  for (const id of ["lang-zh", "lang-en"]) byId(id).addEventListener("change", follow);
  follow();

  // The text of a node in the language that is shown.
  function textOf(node) {
    const copy = node.cloneNode(true);
    for (const other of copy.querySelectorAll(chinese() ? ".en" : ".zh")) other.remove();
    for (const icon of copy.querySelectorAll("svg, .name")) icon.remove();
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  const cells = (table) => [...table.rows].filter((row) => row.getClientRects().length).map((row) => [...row.cells].map(textOf));

  function markdown(table) {
    const [head, ...rows] = cells(table).map((row) => row.map((text) => text.replace(/[\\|`*_<>[\]]/g, "\\$&")));
    return [head, head.map(() => "---"), ...rows].map((row) => "| " + row.join(" | ") + " |").join("\n") + "\n";
  }

  // A spreadsheet runs what begins like a formula; numbers with a sign stay numbers.
  const inert = (text) => (/^[=@\t]|^[+-](?![\d.])/.test(text) ? "'" + text : text);
  const csv = (table) => "\ufeff" + cells(table).map((row) => row.map((text) => '"' + inert(text).replace(/"/g, '""') + '"').join(",")).join("\r\n") + "\r\n";

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function tell(text) {
    byId("told").textContent = text;
    setTimeout(() => { byId("told").textContent = ""; }, 2500);
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      tell(words("word-copied"));
    } catch {
      const dialog = byId("by-hand"), area = dialog.querySelector("textarea");
      area.value = text;
      dialog.showModal();
      area.focus();
      area.select();
    }
  }

  // ── pictures ──
  const LOOKS = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "font-size", "font-weight", "text-anchor"];
  const node = (name, facts, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(facts)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  };

  // A copy that looks the same without this page's rules.
  function standalone(svg) {
    const copied = svg.cloneNode(true);
    const from = [svg, ...svg.querySelectorAll("*")], to = [copied, ...copied.querySelectorAll("*")];
    from.forEach((original, place) => {
      const style = getComputedStyle(original);
      if (style.display === "none" && original.tagName === "text") to[place].remove();
      else for (const look of LOOKS) to[place].setAttribute(look, style.getPropertyValue(look));
    });
    return copied;
  }

  // The picture with its title, its legend and where it is from: all that a reader needs who sees nothing else.
  function composed(figure) {
    const svg = figure.querySelector(".picture svg"), style = getComputedStyle(document.body);
    const box = svg.viewBox.baseVal, width = Math.max(box.width, 420), ink = style.color, muted = getComputedStyle(figure.querySelector("figcaption")).color;
    const sheet = node("svg", {xmlns: "http://www.w3.org/2000/svg", "font-family": style.fontFamily});
    const ground = sheet.appendChild(node("rect", {fill: style.backgroundColor}));
    sheet.append(node("text", {x: 10, y: 26, "font-size": 15, "font-weight": 600, fill: ink}, textOf(figure.querySelector("h3"))));
    const inner = standalone(svg);
    for (const [key, value] of Object.entries({x: 0, y: 38, width: box.width, height: box.height})) inner.setAttribute(key, value);
    sheet.append(inner);
    let x = 10, y = 38 + box.height + 18;
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = "12px " + style.fontFamily;
    for (const entry of figure.querySelectorAll(".legend li")) {
      const mark = entry.querySelector("svg"), label = textOf(entry), wide = mark.width.baseVal.value + pen.measureText(label).width + 26;
      if (x + wide > width && x > 10) { x = 10; y += 18; }
      const drawn = standalone(mark);
      drawn.setAttribute("x", x);
      drawn.setAttribute("y", y - 10);
      sheet.append(drawn, node("text", {x: x + mark.width.baseVal.value + 6, y, "font-size": 12, fill: ink}, label));
      x += wide;
    }
    y += 20;
    sheet.append(node("text", {x: 10, y, "font-size": 11, fill: muted}, document.title));
    const height = y + 10;
    for (const [key, value] of Object.entries({width, height, viewBox: `0 0 ${width} ${height}`})) sheet.setAttribute(key, value);
    ground.setAttribute("width", width);
    ground.setAttribute("height", height);
    return {sheet, width, height};
  }

  async function png(figure) {
    const {sheet, width, height} = composed(figure);
    const image = new Image(), canvas = document.createElement("canvas");
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(sheet));
    await image.decode();
    canvas.width = 2 * width;
    canvas.height = 2 * height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    // toBlob waits until the page has nothing else to do, which may take seconds.
    const bytes = Uint8Array.from(atob(canvas.toDataURL("image/png").split(",")[1]), (letter) => letter.charCodeAt(0));
    return new Blob([bytes], {type: "image/png"});
  }

  const deeds = {
    markdown: (button) => copy(markdown(button.closest(".grid").querySelector("table"))),
    csv: (button) => {
      const table = button.closest(".grid").querySelector("table");
      save(new Blob([csv(table)], {type: "text/csv;charset=utf-8"}), table.id + ".csv");
    },
    text: (button) => copy(button.closest(".command").querySelector("pre").textContent),
    png: async (button) => save(await png(button.closest("figure")), button.closest("figure").id + ".png"),
    picture: async (button) => {
      const figure = button.closest("figure");
      try {
        await navigator.clipboard.write([new ClipboardItem({"image/png": png(figure)})]);
        tell(words("word-copied"));
      } catch {
        await deeds.png(button);
      }
    },
  };

  // ── the buttons: there are none where they could not work ──
  const add = (places, template) => {
    for (const place of places) place.append(byId(template).content.cloneNode(true));
  };
  add(document.querySelectorAll(".grid > .bar"), "table-tools");
  add(document.querySelectorAll("figure:has(.picture) > figcaption"), "figure-tools");
  add(document.querySelectorAll(".command"), "command-tools");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) deeds[button.dataset.do](button);
    for (const open of document.querySelectorAll(".what[open]")) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll(".what[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
})();
