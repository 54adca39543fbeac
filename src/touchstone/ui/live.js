// Puts in place what the server sends; it is escaped there, and the page's policy lets no script in.
const box = document.getElementById("live");
const source = new EventSource(box.dataset.source);
source.addEventListener("state", (event) => { box.innerHTML = event.data; });
source.addEventListener("end", () => source.close());
