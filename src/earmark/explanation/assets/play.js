/* ---- the cursor ---- */

function moveCursor() {
  const left = gutter(), width = stack.clientWidth - left;
  const inside = (state.at - state.from) / (state.to - state.from);
  $("cursor").hidden = inside < 0 || inside > 1;
  $("cursor").style.transform = `translateX(${left + inside * width}px)`;
  const second = Math.floor(state.at);
  if (second === state.second && state.ticking) return; // read aloud: not sixty times a second
  state.second = second;
  stack.setAttribute("aria-valuenow", state.at.toFixed(1));
  stack.setAttribute("aria-valuetext", `${clock(data.start + state.at, 1)}: ${heard(state.at)}`);
}

function heard(at) {
  const i = Math.min(shares.length / nLabels - 1, Math.round(at / data.momentStep));
  if (shares[i * nLabels] === 65535) return "silence";
  const named = data.labels.slice(0, data.genres).map((genre, k) => [shares[i * nLabels + k] / 10000, genre]).sort((a, b) => b[0] - a[0]);
  return named.slice(0, 3).map(([share, genre]) => `${genre} ${percent(share)}`).join(", ");
}

function update() {
  if (!player.hidden && !player.seeking) state.at = Math.min(data.duration, player.currentTime);
  follow();
}

function tick() {
  update();
  state.ticking = !player.paused;
  if (state.ticking) requestAnimationFrame(tick);
}

function seek(at) {
  state.at = Math.min(data.duration, Math.max(0, at));
  if (!player.hidden) player.currentTime = state.at;
  follow();
}

function follow() {
  if (state.at > state.to || state.at < state.from) look(state.at, state.to - state.from);
  moveCursor();
  if (!state.pointer) tell(state.at, null);
}

function look(from, length) {
  length = Math.min(data.duration, Math.max(2, length));
  state.from = Math.min(data.duration - length, Math.max(0, from));
  state.to = state.from + length;
  $("farther").disabled = length >= data.duration;
  $("closer").disabled = length <= 2;
  draw();
}

function zoom(factor) {
  const length = (state.to - state.from) * factor;
  const middle = state.at >= state.from && state.at <= state.to ? state.at : (state.from + state.to) / 2;
  look(middle - length / 2, length);
}

/* ---- what is under the pointer ---- */

function bin(event) {
  const canvas = ["spectrogram", "map"].map($).find((c) => event.composedPath().includes(c));
  if (!canvas) return null;
  const box = canvas.getBoundingClientRect();
  return Math.min(nBins - 1, Math.max(0, Math.floor((1 - (event.clientY - box.top) / box.height) * nBins)));
}

function tell(at, f) {
  const parts = [["b", clock(data.start + at, 1)], ["span", ` · ${heard(at)}`]];
  const frame = Math.min(levels.length / nBins - 1, Math.max(0, Math.floor((at - data.frameStart) / data.frameStep)));
  if (attention && attention[frame] !== 65535) parts.push(["span", ` · attention ${(attention[frame] / 1000).toFixed(1)}`]);
  if (f !== null) {
    const level = data.lowest + (levels[frame * nBins + f] / 255) * data.range;
    parts.push(["span", ` · ${hertz(data.frequencies[f])}, ${level.toFixed(0).replace("-", "−")} dB`]);
    const value = cell(at, f);
    if (value !== null) parts.push(["span", ` · ${bits(value)} for ${state.genre}`]);
  }
  $("readout").replaceChildren(...parts.map(([tag, text]) => Object.assign(document.createElement(tag), { textContent: text })));
}

function cell(at, f) {
  if (!worth) return null;
  const column = Math.floor(at / data.cellSeconds), band = data.bands.findLastIndex((edge) => edge <= f);
  const value = worth[(column * nBands + band) * nMaps + mapOf(state.genre)];
  return value === undefined || value === -128 ? null : (value / 127) * data.mostBits;
}

/* ---- set-up ---- */

function line(genre) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M0 3H20");
  path.setAttribute("stroke-width", "3");
  path.setAttribute("stroke-dasharray", DASHES[place(genre) % 7].join(" "));
  path.style.stroke = `var(--line-${place(genre) % 7})`;
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

function offerGenres() {
  const rest = data.ranked.filter((genre) => place(genre) < 0);
  for (const genre of [...(PAIR ? [PAIR] : []), ...data.shown, ...rest]) {
    const label = document.createElement("label"), input = document.createElement("input");
    label.className = "genre";
    Object.assign(input, { type: "radio", name: "genre", value: genre, checked: genre === state.genre });
    input.addEventListener("change", () => choose(genre));
    const share = document.createElement("small");
    share.textContent = genre in data.track ? percent(data.track[genre]) : "";
    label.append(input, ...(place(genre) < 0 ? [] : [line(genre)]), genre, share);
    $("genres").append(label);
  }
}

function choose(genre) {
  state.genre = genre;
  const unsaid = !Object.keys(data.track).length; // silence, speech, no music
  const asks = data.track[genre] >= 0.5 || genre === data.ranked[0] ? "Why" : "Why not";
  $("question").textContent =
    genre === PAIR
      ? `Why ${data.pair[0]}, and not ${data.pair[1]}? Blue speaks for ${data.pair[0]}, orange for ${data.pair[1]} (Hz)`
      : `${unsaid ? "" : `${asks} ${genre}? `}What speaks for ${unsaid ? genre : "it"} or against it (Hz)`;
  paintMap();
  draw();
  tell(state.at, null);
}

function onKey(event) {
  const control = event.target.closest("audio, button");
  if (event.ctrlKey || event.metaKey || event.altKey || (control && event.key === " ")) return;
  const far = event.shiftKey ? 5 : 1, chips = event.target.matches("input");
  const keys = {
    " ": () => (player.paused ? player.play() : player.pause()),
    ArrowLeft: chips ? null : () => seek(state.at - far),
    ArrowRight: chips ? null : () => seek(state.at + far),
    Home: () => seek(0),
    End: () => seek(data.duration),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
  };
  if (!keys[event.key] || (control === player && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  keys[event.key]();
}

function onWheel(event) {
  const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
  if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8);
  else if (Math.abs(sideways) <= Math.abs(event.deltaY) && !event.shiftKey) return;
  else look(state.from + (sideways / stack.clientWidth) * (state.to - state.from), state.to - state.from);
  event.preventDefault();
}

function listenToPeople() {
  const position = (event) => time(event.clientX - stack.getBoundingClientRect().left);
  stack.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stack.setPointerCapture(event.pointerId);
    seek(position(event));
  });
  stack.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) seek(position(event));
    state.pointer = event;
    tell(position(event), bin(event));
  });
  stack.addEventListener("pointerleave", () => {
    state.pointer = null;
    tell(state.at, null);
  });
  stack.addEventListener("wheel", onWheel, { passive: false });
  document.addEventListener("keydown", onKey);
  $("closer").addEventListener("click", () => zoom(0.5));
  $("farther").addEventListener("click", () => zoom(2));
  player.addEventListener("play", () => state.ticking || tick());
  player.addEventListener("seeked", update);
}

function begin() {
  const sound = $("sound").textContent;
  player.hidden = !sound;
  if (sound) player.src = URL.createObjectURL(new Blob([bytes(sound)], { type: "audio/mpeg" }));
  $("regions").hidden = !worth;
  $("genres").hidden = false;
  $("attending").hidden = !attention;
  stack.setAttribute("aria-valuemax", data.duration.toFixed(1));
  offerGenres();
  listenToPeople();
  paintPictures();
  choose(state.genre);
  look(0, data.duration);
  new ResizeObserver(draw).observe(stack);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    paintPictures();
    draw();
  });
}

begin();
