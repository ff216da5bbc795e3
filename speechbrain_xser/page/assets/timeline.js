"use strict";
// Makes every timeline of the document react: hover, selection, zoom, keys, legend and sound.
function startTimeline(root) {
  const find = (name) => root.querySelector("." + name);
  const { emotions, seconds, moments, means } = JSON.parse(find("xser-data").textContent);
  const [detail, overview, ticks, tip] = ["xser-detail", "xser-overview", "xser-ticks", "xser-tip"].map(find);
  const [band, brush, playhead] = ["xser-band", "xser-brush", "xser-playhead"].map(find);
  const lanes = [...root.querySelectorAll(".xser-lane svg")];
  const list = find("xser-moments"), rows = [...root.querySelectorAll(".xser-moment")];
  const audio = root.querySelector("audio"), now = find("xser-now"), on = find("xser-on"), lost = find("xser-lost");
  const shown = emotions.map(() => true);
  let view = [0, seconds], selected = -1, until = Infinity, crowded = null;

  const two = (value) => String(value).padStart(2, "0");
  const clock = (value, tenths) => {
    const all = Math.round(value * 10), whole = Math.floor(all / 10);
    const text = Math.floor(whole / 3600) + ":" + two(Math.floor(whole / 60) % 60) + ":" + two(whole % 60);
    return tenths ? text + "." + (all % 10) : text;
  };
  const percentOf = (value) => (100 * (value - view[0])) / (view[1] - view[0]);

  function stack(svg, columns) { // the same paths as stack.py, of the emotions that are shown
    const paths = emotions.map(() => []);
    for (const [start, end, shares] of columns) {
      let top = 1;
      shares.forEach((share, place) => {
        if (!shown[place]) return;
        top -= share;
        const width = (end - start).toFixed(2);
        paths[place].push(`M${start.toFixed(2)} ${Math.max(top, 0).toFixed(4)}h${width}v${share}h-${width}z`);
      });
    }
    svg.querySelectorAll("path").forEach((path, place) => path.setAttribute("d", paths[place].join("")));
  }

  function fill() { // the large plot shows means where moments would be finer than three pixels
    const seen = moments.filter(([start, end]) => end > view[0] && start < view[1]).length;
    const many = seen > detail.clientWidth / 3;
    if (many !== crowded) stack(detail.querySelector("svg"), many ? means : moments);
    crowded = many;
  }

  function place() { // everything that hangs on the view
    const width = view[1] - view[0];
    fill();
    for (const svg of [detail.querySelector("svg"), ...lanes]) svg.setAttribute("viewBox", `${view[0]} 0 ${width} 1`);
    brush.style.left = (100 * view[0]) / seconds + "%";
    brush.style.width = Math.max((100 * width) / seconds, 0.4) + "%";
    const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000];
    const room = Math.max(2, Math.floor(detail.clientWidth / 75));
    const step = steps.find((one) => width / one <= room) || 86400;
    ticks.replaceChildren();
    for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
      const x = percentOf(at);
      if (x < 2.5 || x > 97.5) continue;
      const tick = document.createElement("span");
      tick.textContent = clock(at, step < 1);
      tick.style.left = x + "%";
      ticks.append(tick);
    }
    mark();
  }

  function mark() { // the selected moment and the place that is heard
    band.hidden = selected < 0;
    if (selected >= 0) {
      band.style.left = percentOf(moments[selected][0]) + "%";
      band.style.width = percentOf(moments[selected][1]) - percentOf(moments[selected][0]) + "%";
    }
    playhead.hidden = !audio || (audio.paused && audio.currentTime === 0);
    if (!playhead.hidden) playhead.style.left = percentOf(audio.currentTime) + "%";
  }

  function zoom(first, last) {
    const width = Math.min(Math.max(last - first, 2), seconds);
    const start = Math.min(Math.max((first + last - width) / 2, 0), seconds - width);
    view = [start, start + width];
    place();
  }

  const words = (index) => {
    const row = rows[index], text = (name) => row.querySelector("." + name)?.textContent;
    const told = [text("xser-times").replace("▶ ", ""), text("xser-speaker"), text("xser-emotion")];
    return told.filter(Boolean).join(", ") + ": " + text("xser-said");
  };

  function reveal(row) { // in the list alone; rows that were never drawn have a height only afterwards
    const move = () => { list.scrollTop = row.offsetTop - list.clientHeight / 8; };
    move();
    requestAnimationFrame(move);
  }

  function select(index, scroll) {
    if (selected >= 0) rows[selected].classList.remove("xser-selected");
    selected = index;
    rows[index].classList.add("xser-selected");
    detail.setAttribute("aria-valuenow", index + 1);
    detail.setAttribute("aria-valuetext", words(index));
    if (now) now.textContent = `moment ${index + 1} of ${moments.length}`;
    const [start, end] = moments[index], width = view[1] - view[0];
    if (start < view[0] || end > view[1]) zoom((start + end - width) / 2, (start + end + width) / 2);
    else mark();
    if (scroll) reveal(rows[index]);
  }

  function play(index, scroll) {
    select(index, scroll);
    if (!audio) return;
    until = on.checked ? Infinity : moments[index][1];
    audio.currentTime = moments[index][0];
    audio.play().catch(() => {}); // what is wrong is told by the error event
  }

  function nearest(time) { // the moment at a time, or the one that is least away
    let low = 0, high = moments.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (moments[middle][1] < time) low = middle + 1; else high = middle;
    }
    const before = low > 0 && time - moments[low - 1][1] < moments[low][0] - time;
    return before ? low - 1 : low;
  }

  const timeAt = (box, event, [first, last]) => {
    const { left, width } = box.getBoundingClientRect();
    return first + Math.min(Math.max((event.clientX - left) / width, 0), 1) * (last - first);
  };

  function point(event) {
    const index = nearest(timeAt(detail, event, view)), { left, width } = detail.getBoundingClientRect();
    tip.hidden = false;
    tip.textContent = words(index);
    const right = event.clientX - left > width / 2;
    tip.style.left = right ? "auto" : event.clientX - left + 12 + "px";
    tip.style.right = right ? left + width - event.clientX + 12 + "px" : "auto";
  }
  detail.addEventListener("pointermove", point);
  detail.addEventListener("pointerleave", (event) => { tip.hidden = event.pointerType !== "touch"; });
  document.addEventListener("pointerdown", (event) => { if (!detail.contains(event.target)) tip.hidden = true; });
  detail.addEventListener("click", (event) => {
    point(event); // a finger that taps never moved
    play(nearest(timeAt(detail, event, view)), true);
  });
  detail.addEventListener("keydown", (event) => {
    const last = moments.length - 1, [first, end] = view, half = (end - first) / 2;
    const keys = {
      ArrowRight: () => select(Math.min(selected + 1, last), true),
      ArrowLeft: () => select(Math.max(selected - 1, 0), true),
      Home: () => select(0, true),
      End: () => select(last, true),
      Enter: () => play(Math.max(selected, 0), true),
      " ": () => (audio && !audio.paused ? audio.pause() : play(Math.max(selected, 0), true)),
      "+": () => zoomAround(0.5),
      "-": () => zoomAround(2),
      PageDown: () => zoom(first + half, end + half),
      PageUp: () => zoom(first - half, end - half),
      Escape: () => zoom(0, seconds),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  function zoomAround(factor) { // the selected moment, if it is to be seen
    const inside = selected >= 0 && moments[selected][1] > view[0] && moments[selected][0] < view[1];
    const middle = inside ? (moments[selected][0] + moments[selected][1]) / 2 : (view[0] + view[1]) / 2;
    const half = ((view[1] - view[0]) * factor) / 2;
    zoom(middle - half, middle + half);
  }

  root.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () =>
    button.dataset.zoom === "all" ? zoom(0, seconds) : zoomAround(Number(button.dataset.zoom))));
  root.querySelectorAll(".xser-toggle").forEach((button) => button.addEventListener("click", () => {
    const index = Number(button.dataset.emotion);
    shown[index] = !shown[index];
    button.setAttribute("aria-pressed", shown[index]);
    crowded = null;
    fill();
    stack(overview.querySelector("svg"), means);
  }));
  rows.forEach((row, index) => row.querySelector(".xser-times").addEventListener("click", () => play(index, false)));

  let from = null;
  overview.addEventListener("pointerdown", (event) => {
    from = timeAt(overview, event, [0, seconds]);
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener("pointermove", (event) => {
    const to = timeAt(overview, event, [0, seconds]);
    if (from !== null && Math.abs(to - from) > seconds / 200) zoom(Math.min(from, to), Math.max(from, to));
  });
  overview.addEventListener("pointerup", (event) => {
    const to = timeAt(overview, event, [0, seconds]), half = (view[1] - view[0]) / 2;
    if (from !== null && Math.abs(to - from) <= seconds / 200) zoom(to - half, to + half);
    from = null;
  });
  overview.addEventListener("pointercancel", () => { from = null; });

  if (audio) {
    audio.addEventListener("timeupdate", () => {
      if (audio.currentTime >= until) { audio.pause(); until = Infinity; }
      if (!audio.paused && on.checked) {
        const index = nearest(audio.currentTime);
        if (index !== selected && moments[index][0] <= audio.currentTime) select(index, true);
      }
      mark();
    });
    audio.addEventListener("seeking", mark);
    audio.addEventListener("error", () => { lost.hidden = false; });
    if (audio.error) lost.hidden = false;
    lost.querySelector("input").addEventListener("change", (event) => {
      lost.hidden = true;
      audio.src = URL.createObjectURL(event.target.files[0]);
    });
    on.addEventListener("change", () => { until = Infinity; });
  }
  addEventListener("resize", place);
  place();
}
document.querySelectorAll(".xser-timeline").forEach(startTimeline);
