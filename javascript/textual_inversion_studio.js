// What the Textual Inversion tab needs in the page itself; one object, nothing else is global.
//
// gradio 3.41 has no timer, so buttons that nobody sees are pressed here: `#ti_poll…` once a second
// while something runs and the `#ti_job_progress…` of the same ending is in view, and now and then
// while it is not: its end is told by the web UI's sound and a notification. Nothing is pressed while
// nothing runs, but for a page that somebody moves in: a job may have begun elsewhere.
//
// gradio reads a dropdown with words of one's own when a key is released in it (3.41) or when it is
// left (newer ones). What is pasted with the mouse, dropped or filled in by the browser is told to it.
window.tiStudio = window.tiStudio || (() => {
    "use strict";

    const QUICK = 1000; // milliseconds between two looks while a job goes on
    const SLOW = 5000; // … and while none does
    const AFTER_A_CLICK = 6000; // time in which a job may begin
    const AT_THE_LATEST = 60000; // … on a machine that has much else to do
    const REST = 400; // in which nothing is written in a form
    const MOST_BYTES = 1000000; // of a settings file; a longer one is said to be too long
    const GOING_ON = ["waiting", "running", "paused"];

    const FIELD = ["checkbox", "radio", "range"].reduce(
        (all, kind) => `${all}:not([type=${kind}])`, "#ti_tabs input") + ", #ti_tabs textarea";
    const UNNAMED = "#ti_tabs .head input[type=number]:not([aria-label])";
    const DROPDOWN = "#ti_tabs .secondary-wrap input, #ti_tabs input[role=listbox]";

    let clicked = 0;
    let moved = 0; // when somebody was seen last
    let held = ""; // what the form of Train held when it was last looked at
    let written = ""; // … and a moment ago
    let rests = 0; // since when it has not changed
    let entered = ""; // what stood in the focused field when it was entered
    const looked = new WeakMap();
    const working = new Set(); // ids of places that show a job that runs
    const unread = new Set();

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

    // As the web UI does when pictures are ready: its sound, and a notification if it may show any
    // and the page is not looked at.
    function tell(name) {
        const wave = page().querySelector("#audio_notification #waveform > div");
        const audio = page().querySelector("#audio_notification audio")
            || wave && wave.shadowRoot && wave.shadowRoot.querySelector("audio");
        if (audio) {
            const volume = window.opts ? window.opts.notification_volume : undefined;
            audio.volume = Number.isFinite(volume) ? volume / 100 : 1;
            Promise.resolve(audio.play()).catch(() => undefined); // a page that nobody has clicked
        }
        if (!document.hasFocus() && window.Notification && Notification.permission === "granted") {
            const notification = new Notification("Textual Inversion", {body: name});
            notification.onclick = () => window.focus();
        }
    }

    // Whether its job runs; one that has ended since the last look is told.
    function goesOn(progress) {
        const state = progress.querySelector("[data-state]");
        const going = Boolean(state) && GOING_ON.includes(state.dataset.state);
        if (state && working.has(progress.id) && !going) {
            const name = state.querySelector(".ti-head b");
            tell(`${name ? name.textContent : ""}: ${state.dataset.state}`);
            clicked = moved = Date.now(); // what else the page shows may be another now
        }
        working[going ? "add" : "delete"](progress.id);
        return going;
    }

    function idle() {
        return Date.now() - moved > SLOW && Date.now() - clicked > AT_THE_LATEST;
    }

    // gradio closes its open menus at every click that reaches the window; this one is not a visitor's.
    function press(hidden) {
        const stop = (event) => event.stopPropagation();
        document.addEventListener("click", stop);
        hidden.click();
        document.removeEventListener("click", stop);
    }

    function look() {
        for (const progress of page().querySelectorAll("[id^='ti_job_progress']")) {
            const poll = button(progress.id.replace("ti_job_progress", "ti_poll"));
            const going = goesOn(progress);
            if (!poll || !(seen(progress) || going)) {
                continue;
            }
            const wait = seen(progress) ? pause(progress) : SLOW;
            if (!going && looked.has(poll) && idle()) {
                continue;
            }
            if (Date.now() - (looked.get(poll) || 0) >= wait - 50) {
                looked.set(poll, Date.now());
                press(poll);
            }
        }
    }

    // What the form of Train amounts to is asked for when it has changed and rests: one event in
    // place of one for each field. Fields of closed folds are not in the page; what fills them in
    // says so in a box.
    function readForm() {
        const form = page().querySelector("#ti_train_form");
        if (!form || !seen(form)) {
            return;
        }
        const fields = [...form.querySelectorAll("input, textarea")].map(
            (field) => ["checkbox", "radio"].includes(field.type) ? field.checked : field.value);
        const boxes = [...form.querySelectorAll(".ti-box")].filter(
            (box) => !box.closest("#ti_differs")).map((box) => box.textContent);
        const model = page().querySelector("#ti_header .ti-figures span");
        const now = [...fields, ...boxes, model && model.textContent].join("\n");
        if (now !== written) {
            [written, rests] = [now, Date.now()];
        }
        const look = now !== held && Date.now() - rests > REST && button("ti_form_look");
        if (look) {
            held = now;
            press(look);
        }
    }

    // gradio's page clips what is wider than it, and nothing sticks to the window's edge then.
    function unclip() {
        const tabs = page().querySelector("#ti_tabs");
        for (let each = tabs && tabs.parentElement; each; each = each.parentElement) {
            if (each !== document.body && getComputedStyle(each).overflowY === "hidden") {
                each.style.overflow = "clip";
            }
        }
    }

    // Alone, each tab has an address: ?tab=compare. A web UI's address is its own.
    const ALONE = typeof gradioApp !== "function";
    let opened = false;

    function tabButton(name) {
        return name && page().querySelector(`#${CSS.escape(`ti_tab_${name}`)}-button`);
    }

    function openTab() {
        const found = ALONE && tabButton(new URLSearchParams(location.search).get("tab"));
        if (found && found.getAttribute("aria-selected") !== "true") {
            found.click();
        }
    }

    // Alone: another tab, its top in view.
    function showTab(name) {
        const found = tabButton(name);
        if (found) {
            found.click();
            window.scrollTo(0, 0);
        }
        return [];
    }

    function arrive() {
        if (!opened && page().querySelector("#ti_tabs button")) {
            opened = true;
            openTab();
            unclip();
        }
    }

    function keepAddress(target) {
        const tab = target.closest("button[role=tab][id^=ti_tab_]");
        if (ALONE && tab) {
            const address = new URL(location.href);
            address.searchParams.set("tab", tab.id.slice("ti_tab_".length, -"-button".length));
            if (address.href !== location.href) {
                history.pushState({}, "", address);
            }
        }
    }

    function leave(field) {
        unread.delete(field);
        field.dispatchEvent(new FocusEvent("blur"));
    }

    function read(event) {
        const field = event.target;
        if (!field.matches || !field.matches(FIELD)) {
            return;
        }
        field.dispatchEvent(new KeyboardEvent("keyup"));
        if (field === document.activeElement) {
            unread.add(field);
        } else {
            leave(field);
        }
    }

    // gradio 3.41 shows the choices that a list had when it was opened; it is opened anew for those
    // that came later, until somebody writes in it.
    function renew() {
        const field = document.activeElement;
        const open = field && field.matches(DROPDOWN) && field.closest(".container");
        if (open && open.querySelector("ul.options") && field.value === entered) {
            field.dispatchEvent(new FocusEvent("focus"));
        }
    }

    // A file of the visitor's as text: its name, a line end, its bytes as base64; empty for none. The
    // browser reads it, so that nothing is stored and no path is named.
    function chosenFile(kinds) {
        return new Promise((resolve) => {
            const field = document.createElement("input");
            field.type = "file";
            field.accept = kinds;
            field.addEventListener("cancel", () => resolve(""));
            field.addEventListener("change", () => {
                const [file] = field.files;
                const reader = new FileReader();
                reader.onload = () => resolve(`${file.name}\n${reader.result.split(",")[1] || ""}`);
                reader.onerror = () => resolve(`${file.name}\n?`); // which says that it cannot be read
                reader.readAsDataURL(file.slice(0, MOST_BYTES + 1));
            });
            field.click();
        });
    }

    // The film of the previews: its slider, or a picture of its strip, chooses the one on the right.
    // What was chosen stays so when more come.
    let frame = ""; // the chosen one's step; empty for the newest

    function showFrame(film, place) {
        const all = [...film.querySelectorAll(".ti-strip button")];
        const one = all[place];
        if (!one) {
            return;
        }
        all.forEach((each) => each.setAttribute("aria-pressed", String(each === one)));
        film.querySelector(".ti-film-now").src = one.querySelector("img").src;
        film.querySelectorAll("figcaption")[1].textContent = one.getAttribute("aria-label");
        film.querySelector("input").value = place;
        film.dataset.shown = "yes";
    }

    function chooseFrame(event) {
        const film = event.target.closest && event.target.closest(".ti-film");
        const one = film && event.target.closest(".ti-strip button");
        if (!one && !(film && event.type === "input")) {
            return;
        }
        const all = [...film.querySelectorAll(".ti-strip button")];
        const place = one ? all.indexOf(one) : Number(event.target.value);
        frame = place < all.length - 1 ? all[place].getAttribute("aria-label") : "";
        showFrame(film, place);
    }

    function keepFrame() {
        const film = frame && page().querySelector(".ti-film:not([data-shown])");
        if (film) {
            const all = [...film.querySelectorAll(".ti-strip button")];
            showFrame(film, all.findIndex((each) => each.getAttribute("aria-label") === frame));
            film.dataset.shown = "yes";
        }
    }

    // Pictures in the clipboard are dropped where files are dropped, if that is in view.
    function paste(event) {
        const files = [...(event.clipboardData ? event.clipboardData.files : [])].filter(
            (file) => file.type.startsWith("image/"));
        const field = page().querySelector("#ti_dropped input[type=file]");
        if (!files.length || !field || !seen(field.closest("#ti_dropped"))) {
            return;
        }
        const all = new DataTransfer();
        files.forEach((file, place) => {
            const name = `pasted-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "")}-${place + 1}`;
            all.items.add(new File([file], `${name}.${file.type.slice(6)}`, {type: file.type}));
        });
        event.preventDefault();
        field.files = all.files;
        field.dispatchEvent(new Event("change", {bubbles: true}));
    }

    // A folder that is offered below its field is written into it.
    function takeFolder(event) {
        const one = event.target.closest && event.target.closest(".ti-path");
        const field = one && page().querySelector(
            "#ti_train_train_data_dir textarea, #ti_train_train_data_dir input");
        if (field) {
            const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
            Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, one.dataset.path);
            field.focus();
            field.dispatchEvent(new Event("input", {bubbles: true}));
        }
    }

    // Of the form that an error box stands in: ti_train_seed, and not ti_train_noise_seed.
    function fieldOf(box, name) {
        const panel = box.closest("[role=tabpanel], .tabitem") || page();
        const found = [...panel.querySelectorAll(`[id^=ti_][id$=_${CSS.escape(name)}]`)];
        return found.find((each) => /^ti_[a-z]+_$/.test(each.id.slice(0, -name.length)));
    }

    // Once for each error, and not while somebody writes.
    function openFolds(box) {
        const panel = box.closest("[role=tabpanel], .tabitem");
        if (panel && !box.dataset.seen && !box.closest("#ti_outlook")) {
            panel.querySelectorAll("[id^=ti_fold_] .label-wrap:not(.open)").forEach(
                (label) => label.click());
        }
    }

    // An error is shown at the fields that it names, too; a closed fold that hides one is opened.
    function markFields() {
        const wrong = new Map();
        for (const box of page().querySelectorAll("#ti_tabs .ti-error[data-fields]:not([data-fields=''])")) {
            for (const name of seen(box) ? box.dataset.fields.split(" ") : []) {
                const field = fieldOf(box, name);
                if (field && seen(field)) {
                    wrong.set(field, box.textContent);
                } else {
                    openFolds(box);
                }
                box.dataset.seen = "yes";
            }
        }
        page().querySelectorAll("[data-ti-wrong]").forEach((field) => setWrong(field, wrong.get(field)));
        wrong.forEach((text, field) => setWrong(field, text));
    }

    function setWrong(field, text) {
        if (field.dataset.tiWrong !== text) {
            const inputs = field.querySelectorAll("input, textarea");
            inputs.forEach((each) => each.setAttribute("aria-invalid", String(Boolean(text))));
            field.toggleAttribute("data-ti-wrong", Boolean(text));
            if (text) {
                field.dataset.tiWrong = text;
            }
        }
    }

    // For screen readers: gradio 3.41 gives the number beside a slider no name.
    function nameNumbers() {
        for (const field of page().querySelectorAll(UNNAMED)) {
            field.setAttribute("aria-label", field.closest(".head").textContent.trim());
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
            keepAddress(event.target);
        }
        [...unread].filter((field) => field !== event.target).forEach(leave);
    }, true);
    for (const sign of ["pointermove", "pointerdown", "keydown", "focus", "visibilitychange"]) {
        window.addEventListener(sign, () => {
            moved = Date.now();
        }, true);
    }
    document.addEventListener("input", read);
    document.addEventListener("focusin", (event) => {
        entered = event.target.value;
    });
    document.addEventListener("blur", (event) => unread.delete(event.target), true);
    document.addEventListener("keydown", keys, true);
    document.addEventListener("paste", paste);
    document.addEventListener("click", takeFolder);
    document.addEventListener("click", chooseFrame);
    document.addEventListener("input", chooseFrame);
    window.addEventListener("popstate", openTab);
    setInterval(() => {
        arrive();
        look();
        readForm();
        keepFrame();
        renew();
        markFields();
        nameNumbers();
    }, 250);

    return {look, chosenFile, showTab};
})();
