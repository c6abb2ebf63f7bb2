"use strict";
const rows = [...document.querySelectorAll("article")].map((article) => ({
  article, audio: article.querySelector("audio"), picture: article.querySelector(".picture"),
  cursor: article.querySelector(".cursor"),
}));
const all = document.getElementById("all");
let chosen = -1;

function choose(i, focus) {
  if (!rows.length) return;
  chosen = Math.max(0, Math.min(rows.length - 1, i));
  rows.forEach(({ article }, j) => article.classList.toggle("chosen", j === chosen));
  if (focus) {
    rows[chosen].article.focus({ preventScroll: true });
    rows[chosen].article.scrollIntoView({ block: "nearest" });
  }
}

function play(i) {
  choose(i, true);
  rows[chosen]?.audio.play().catch(() => follow(false));
}

function follow(on) {
  all.setAttribute("aria-pressed", String(on));
  all.textContent = on ? "■ Stop" : "▶ Play all";
}

function going() {
  return all.getAttribute("aria-pressed") === "true";
}

function draw(row) {
  const length = row.audio.duration;
  if (length > 0) row.cursor.style.left = `${(100 * row.audio.currentTime) / length}%`;
  row.cursor.hidden = !(length > 0);
}

function drawOn(row) {
  draw(row);
  if (!row.audio.paused) requestAnimationFrame(() => drawOn(row));
}

rows.forEach((row, i) => {
  row.audio.addEventListener("play", () => {
    rows.forEach((other) => other !== row && other.audio.pause());
    choose(i, false);
    drawOn(row);
  });
  row.audio.addEventListener("timeupdate", () => draw(row));
  row.audio.addEventListener("seeked", () => draw(row));
  row.audio.addEventListener("ended", () => {
    if (!going()) return;
    if (i + 1 < rows.length) play(i + 1);
    else follow(false);
  });
  row.picture.addEventListener("click", (event) => {
    const box = row.picture.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    const go = () => {
      row.audio.currentTime = share * row.audio.duration;
      row.audio.play().catch(() => {});
    };
    choose(i, false);
    if (row.audio.duration > 0) go();
    else {
      row.audio.addEventListener("loadedmetadata", go, { once: true });
      row.audio.load();
    }
  });
});

all.addEventListener("click", () => {
  follow(!going());
  if (going()) play(Math.max(0, chosen));
  else rows[chosen]?.audio.pause();
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("button, audio, summary, a")) return;
  const audio = rows[chosen]?.audio;
  if (event.key === "ArrowDown") choose(chosen + 1, true);
  else if (event.key === "ArrowUp") choose(chosen - 1, true);
  else if (event.key === " " && rows.length) audio && !audio.paused ? audio.pause() : play(chosen);
  else if (event.key === "ArrowLeft" && audio) audio.currentTime = Math.max(0, audio.currentTime - 5);
  else if (event.key === "ArrowRight" && audio) audio.currentTime = Math.min(audio.duration || 0, audio.currentTime + 5);
  else return;
  event.preventDefault();
});
