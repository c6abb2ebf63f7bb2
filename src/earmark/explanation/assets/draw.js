"use strict";
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const MAGMA = "000004 100b2d 2c115f 51127c 721f81 932b80 b73779 d8456c f1605d fc8961 feb078 fed799 fcfdbf".split(" ");
const DASHES = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [1, 3]];
const player = $("player"), stack = $("stack");
const PAIR = data.pair && `${data.pair[0]}, not ${data.pair[1]}`;
const state = { at: 0, from: 0, to: data.duration, genre: data.chosen || PAIR || data.shown[0], pointer: null, ticking: false, second: -1 };

/* ---- numbers out of text ---- */

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function array(name, Type) {
  return data[name] === null ? null : new Type(bytes(data[name]).buffer);
}

const levels = array("spectrogram", Uint8Array); // (frames, bins), 0 to 255
const envelope = array("envelope", Int8Array); // (columns, low and high)
const shares = array("probabilities", Uint16Array); // (moments, labels), ten thousandths; 65535: silence
const attention = array("attention", Uint16Array); // (frames), thousandths; 65535: silence
const worth = array("relevance", Int8Array); // (columns, bands, labels, and at last the pair if any); -128: silence
const nBins = data.frequencies.length, nLabels = data.labels.length, nBands = data.bands.length - 1;
const nMaps = nLabels + (PAIR ? 1 : 0);

/* ---- words ---- */

function clock(seconds, digits = 0) {
  const tenths = Math.round(seconds * 10 ** digits) / 10 ** digits;
  const hours = Math.floor(tenths / 3600), minutes = Math.floor(tenths / 60) % 60;
  const rest = (tenths % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function hertz(value) {
  return value >= 1000 ? `${+(value / 1000).toPrecision(2)} kHz` : `${Math.round(value)} Hz`;
}

function percent(share) {
  return share > 0 && share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`;
}

function bits(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)} bits`;
}

/* ---- colours ---- */

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function channels(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

function ramp(stops) {
  const table = stops.map(channels), out = [];
  for (let i = 0; i < 256; i++) {
    const x = (i / 255) * (table.length - 1), k = Math.min(Math.floor(x), table.length - 2);
    out.push(table[k].map((low, c) => low + (x - k) * (table[k + 1][c] - low)));
  }
  return out;
}

function mapOf(name) {
  return name === PAIR ? nLabels : data.labels.indexOf(name);
}

function place(genre) {
  return data.shown.indexOf(genre);
}

function stroke(genre) {
  const i = place(genre);
  return i < 0 ? colour("ink") : colour(`line-${i % 7}`);
}

/* ---- pictures that are drawn once, in tiles that no browser finds too wide ---- */

const TILE = 4096;

function tiles(columns, rows, pixel) {
  const out = [];
  for (let first = 0; first < columns; first += TILE) {
    const width = Math.min(TILE, columns - first), tile = document.createElement("canvas");
    tile.width = width;
    tile.height = rows;
    const image = new ImageData(width, rows);
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < rows; y++) image.data.set(pixel(first + x, rows - 1 - y), 4 * (y * width + x));
    }
    tile.getContext("2d").putImageData(image, 0, 0);
    out.push(tile);
  }
  return out;
}

function drawTiles(board, pictures, start, step) {
  const { context, x, left, width, height } = board;
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  pictures.forEach((tile, i) => {
    const begin = start + i * TILE * step, end = begin + tile.width * step;
    if (end > state.from && begin < state.to) context.drawImage(tile, x(begin), 0, x(end) - x(begin), height);
  });
  context.restore();
}

let pictures = {};

function paintPictures() {
  const warm = ramp(MAGMA.map((hex) => `#${hex}`)), grey = ramp([colour("grey-low"), colour("grey-high")]);
  const frames = levels.length / nBins;
  const level = (table) => tiles(frames, nBins, (t, f) => [...table[levels[t * nBins + f]], 255]);
  pictures = { warm: level(warm), grey: level(grey) };
  paintMap();
}

function paintMap() {
  if (!worth) return;
  const map = mapOf(state.genre);
  const pro = colour("for").split(",").map(Number), contra = colour("against").split(",").map(Number);
  const cell = (t, f) => {
    const value = worth[(t * nBands + f) * nMaps + map];
    if (value === -128) return [0, 0, 0, 0];
    return [...(value < 0 ? contra : pro), 255 * Math.min(1, Math.abs(value) / 127) ** 0.8];
  };
  pictures.map = tiles(worth.length / nBands / nMaps, nBands, cell);
}

/* ---- rows ---- */

function board(id) {
  const canvas = $(id), scale = window.devicePixelRatio || 1;
  const wide = canvas.clientWidth, height = canvas.clientHeight, left = gutter();
  if (canvas.width !== Math.round(wide * scale)) canvas.width = Math.round(wide * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d"), width = wide - left;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, wide, height);
  context.font = "11px system-ui, sans-serif";
  const x = (time) => left + ((time - state.from) / (state.to - state.from)) * width;
  return { context, left, width, height, x };
}

function gutter() {
  return stack.clientWidth < 600 ? 40 : 50;
}

function time(x) {
  const left = gutter(), inside = (x - left) / (stack.clientWidth - left);
  return state.from + Math.min(1, Math.max(0, inside)) * (state.to - state.from);
}

function panel({ context, left, width, height }) {
  context.fillStyle = colour("panel");
  context.fillRect(left, 0, width, height);
}

function ticks({ context, left, height }, marks) {
  context.fillStyle = colour("quiet");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [y, text] of marks) context.fillText(text, left - 5, Math.min(height - 6, Math.max(6, y)));
}

function drawWaveform() {
  const row = board("waveform"), { context, left, width, height } = row;
  panel(row);
  context.fillStyle = colour("quiet");
  const peak = envelope.reduce((most, v) => Math.max(most, Math.abs(v)), 1), n = envelope.length / 2;
  const column = (px) => (state.from + (px / width) * (state.to - state.from)) / data.envelopeSeconds;
  for (let px = 0; px < width; px++) {
    const first = Math.floor(column(px)), last = Math.min(n, Math.max(first + 1, Math.floor(column(px + 1))));
    let low = 127, high = -127;
    for (let i = first; i < last; i++) {
      low = Math.min(low, envelope[2 * i]);
      high = Math.max(high, envelope[2 * i + 1]);
    }
    if (low > high) continue;
    const top = (1 - high / peak) * 0.5 * height, bottom = (1 - low / peak) * 0.5 * height;
    context.fillRect(left + px, top, 1, Math.max(1, bottom - top));
  }
}

function frequencyTicks(row) {
  const wanted = row.height < 160 ? [100, 500, 2000, 8000] : [100, 300, 1000, 2000, 4000, 8000];
  const marks = [];
  for (const value of wanted) {
    const f = data.frequencies, i = f.findIndex((edge) => edge >= value);
    if (i <= 0) continue;
    const bin = i - 1 + (value - f[i - 1]) / (f[i] - f[i - 1]) + 0.5, y = row.height * (1 - bin / nBins);
    const text = value >= 1000 ? `${value / 1000}k` : String(value);
    if (!marks.some(([other]) => Math.abs(other - y) < 13)) marks.push([y, text]);
  }
  ticks(row, marks);
}

function drawSpectrogram() {
  const row = board("spectrogram");
  panel(row);
  drawTiles(row, pictures.warm, data.frameStart, data.frameStep);
  frequencyTicks(row);
}

function drawClips({ context, height, x }) {
  if (data.clips.length > 1 && x(data.clips[1]) - x(data.clips[0]) < 20) return;
  context.fillStyle = colour("edge");
  for (const start of data.clips) if (start > state.from && start < state.to) context.fillRect(x(start), 0, 1, height);
}

function drawMap() {
  if (!worth) return;
  const row = board("map");
  panel(row);
  drawTiles(row, pictures.grey, data.frameStart, data.frameStep);
  drawTiles(row, pictures.map, 0, data.cellSeconds);
  drawClips(row);
  frequencyTicks(row);
}

function drawKey() {
  if (!worth) return;
  const canvas = $("key"), scale = window.devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight;
  canvas.width = wide * scale;
  canvas.height = high * scale;
  const context = canvas.getContext("2d"), bar = 70, left = (wide - bar) / 2;
  context.scale(scale, scale);
  for (let x = 0; x < bar; x++) {
    const value = (2 * x) / (bar - 1) - 1;
    context.fillStyle = `rgba(${colour(value < 0 ? "against" : "for")}, ${Math.abs(value) ** 0.8})`;
    context.fillRect(left + x, 4, 1, high - 8);
  }
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = colour("quiet");
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillText(`against ${bits(-data.mostBits).replace(" bits", "")}`, left - 4, high / 2);
  context.textAlign = "left";
  context.fillText(`${bits(data.mostBits)} for`, left + bar + 4, high / 2);
}

function drawProbability() {
  const row = board("probability"), { context, left, width, height, x } = row, pad = 4;
  panel(row);
  const y = (share) => pad + (1 - share) * (height - 2 * pad);
  context.strokeStyle = colour("faint");
  for (const share of [0, 0.5, 1]) context.strokeRect(left, y(share), width, 0);
  ticks(row, [[y(0), "0"], [y(0.5), "50%"], [y(1), "100%"]]);
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  const asked = state.genre === PAIR ? data.pair : [state.genre];
  for (const genre of new Set([...data.shown, ...asked])) {
    const k = data.labels.indexOf(genre), chosen = asked.includes(genre);
    context.strokeStyle = stroke(genre);
    context.setLineDash(place(genre) < 0 ? [2, 2] : DASHES[place(genre) % 7]);
    context.lineWidth = chosen ? 2.6 : 1.4;
    context.beginPath();
    let down = false;
    for (let i = 0; i < shares.length / nLabels; i++) {
      const share = shares[i * nLabels + k];
      if (share === 65535) down = false;
      else {
        const point = [x(i * data.momentStep), y(share / 10000)];
        if (down) context.lineTo(...point);
        else context.moveTo(...point);
        down = true;
      }
    }
    context.stroke();
  }
  context.restore();
}

function drawAttention() {
  if (!attention) return;
  const row = board("attention"), { context, left, width, height, x } = row;
  panel(row);
  const most = Math.max(2000, attention.reduce((a, v) => (v === 65535 ? a : Math.max(a, v)), 0));
  const y = (share) => height - (share / most) * (height - 4);
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  context.fillStyle = colour("line-2");
  attention.forEach((share, i) => {
    const begin = x(data.frameStart + i * data.frameStep), end = x(data.frameStart + (i + 1) * data.frameStep);
    if (share !== 65535) context.fillRect(begin, y(share), Math.max(1, end - begin + 0.5), height);
  });
  context.restore();
  drawClips(row);
  context.strokeStyle = colour("ink");
  context.setLineDash([2, 3]);
  context.strokeRect(left, y(1000), width, 0);
  context.setLineDash([]);
  const top = [y(most), String(+(most / 1000).toPrecision(2))];
  ticks(row, y(1000) - y(most) > 12 && height - y(1000) > 6 ? [[y(1000), "1"], top] : [top]);
}

function drawAxis() {
  const { context, left, width, x } = board("axis"), length = state.to - state.from;
  const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((s) => (width * s) / length >= 52) || 3600;
  context.fillStyle = colour("quiet");
  context.strokeStyle = colour("quiet");
  context.textBaseline = "top";
  const first = Math.ceil((data.start + state.from) / step);
  for (let i = first; i * step <= data.start + state.to; i++) {
    const at = x(i * step - data.start);
    context.textAlign = at < left + 14 ? "left" : at > left + width - 14 ? "right" : "center";
    context.strokeRect(at, 0, 0, 4);
    context.fillText(clock(i * step, step < 1 ? 1 : 0), at, 7);
  }
}

function draw() {
  for (const row of [drawWaveform, drawSpectrogram, drawMap, drawKey, drawProbability, drawAttention, drawAxis]) row();
  moveCursor();
}
