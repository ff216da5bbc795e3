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
