// Looks at the running job once a second while the tab that shows it is seen, by pressing a button
// that is always there: the same in every version of gradio.
(() => {
    const EVERY = 1000; // milliseconds

    function root() {
        return typeof gradioApp === "function" ? gradioApp() : document;
    }

    function isSeen(element) {
        return element !== null && element.getClientRects().length > 0 && !document.hidden;
    }

    setInterval(() => {
        if (isSeen(root().querySelector("#ti_progress"))) {
            root().querySelector("#ti_poll")?.click();
        }
    }, EVERY);
})();
