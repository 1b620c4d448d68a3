// What the Textual Inversion tab needs in the page itself; one object, nothing else is global.
//
// gradio 3.41 has no timer, so buttons that nobody sees are pressed here: `#ti_poll…` once a second
// while something goes on, as long as the `#ti_job_progress…` of the same ending is in view.
window.tiStudio = window.tiStudio || (() => {
    "use strict";

    const QUICK = 1000; // milliseconds between two looks while a job goes on
    const SLOW = 5000; // … and while none does
    const AFTER_A_CLICK = 6000; // time in which a job may begin
    const GOING_ON = ["waiting", "running", "paused"];

    let clicked = 0;
    const looked = new WeakMap();

    function page() {
        return typeof gradioApp === "function" ? gradioApp() : document;
    }

    function seen(element) {
        return element.getClientRects().length > 0 && !document.hidden;
    }

    function button(id) {
        const found = page().querySelector(`#${CSS.escape(id)}`);
        return found && (found.matches("button") ? found : found.querySelector("button"));
    }

    function pause(progress) {
        const state = progress.querySelector("[data-state]");
        const going = state && GOING_ON.includes(state.dataset.state);
        return going || Date.now() - clicked < AFTER_A_CLICK ? QUICK : SLOW;
    }

    function look() {
        for (const progress of page().querySelectorAll("[id^='ti_job_progress']")) {
            const poll = button(progress.id.replace("ti_job_progress", "ti_poll"));
            if (!poll || !seen(progress)) {
                continue;
            }
            if (Date.now() - (looked.get(poll) || 0) >= pause(progress) - 50) {
                looked.set(poll, Date.now());
                poll.click();
            }
        }
    }

    // Ctrl+Enter saves the caption that is being written, Alt+← and Alt+→ go to the next picture.
    function keys(event) {
        const editor = event.target.closest && event.target.closest("#ti_caption_text");
        if (!editor) {
            return;
        }
        const name = event.ctrlKey && event.key === "Enter" ? "ti_caption_save"
            : event.altKey && event.key === "ArrowLeft" ? "ti_caption_previous"
                : event.altKey && event.key === "ArrowRight" ? "ti_caption_next" : "";
        if (name && button(name)) {
            event.preventDefault();
            event.stopPropagation(); // A1111 would look for a button "Generate" here, and fail
            event.target.dispatchEvent(new Event("change", {bubbles: true}));
            button(name).click();
        }
    }

    document.addEventListener("click", (event) => {
        if (event.isTrusted && event.target.closest && event.target.closest("#ti_tabs")) {
            clicked = Date.now();
        }
    }, true);
    document.addEventListener("keydown", keys, true);
    setInterval(look, 250);

    return {look};
})();
