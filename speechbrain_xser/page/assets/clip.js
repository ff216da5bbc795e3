"use strict";
// Moves a cursor over the curves of a clip while it plays, and plays it from where its curves are clicked.
function startClip(root) {
  const audio = root.querySelector("audio"), plot = root.querySelector(".xser-plot");
  if (!audio || !plot) return;
  const cursor = plot.querySelector(".xser-cursor"), seconds = Number(plot.dataset.seconds);

  function place() {
    const at = (100 * Math.min(audio.currentTime / seconds, 1)).toFixed(2) + "%";
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    cursor.setAttribute("visibility", "visible");
  }

  function follow() { // once a frame: the player itself tells its time four times a second
    place();
    if (!audio.paused) requestAnimationFrame(follow);
  }

  audio.addEventListener("play", () => {
    document.querySelectorAll(".xser-evidence audio").forEach((other) => { if (other !== audio) other.pause(); });
    follow();
  });
  audio.addEventListener("seeking", place);
  audio.addEventListener("timeupdate", place);
  plot.classList.add("xser-seeks");
  root.querySelector(".xser-seek").hidden = false;
  plot.addEventListener("click", (event) => {
    const { left, width } = plot.getBoundingClientRect();
    audio.currentTime = Math.min(Math.max((event.clientX - left) / width, 0), 1) * seconds;
    audio.play().catch(() => {}); // a browser that cannot play it shows that in the player
  });
}
document.querySelectorAll(".xser-evidence").forEach(startClip);
