// The server keeps no recording, so the page plays the user's own file, which only the browser still has.
let ownRecording = null;
for (const [kind, files] of [["change", (event) => event.target.files], ["drop", (event) => event.dataTransfer.files]])
  document.addEventListener(kind, (event) => {
    if (event.target.closest("#xser-web-recording") && files(event)?.length) ownRecording = files(event)[0];
  }, true);
function startOwnTimelines(element) {
  element.querySelectorAll(".xser-timeline").forEach((timeline) => {
    const audio = timeline.querySelector("audio");
    if (audio && ownRecording) audio.src = URL.createObjectURL(ownRecording);
    startTimeline(timeline);
  });
}
// A result is replaced as a whole, many times; the region that a screen reader watches stays, and changes when there is news.
function announce(element) {
  const live = document.getElementById("xser-web-live");
  const told = element.querySelector("[data-live]")?.dataset.live ?? "";
  if (live && live.textContent !== told) live.textContent = told;
}
