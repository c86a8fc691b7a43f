/* What the public page does besides working without any script. Served as it is. */

const MEGABYTE = 1024 ** 2;
const find = (selector) => document.querySelector(selector);

/** The PIN can be shown. */
function letPinBeShown(pin) {
    const show = find("#show");
    if (!show) {
        return;
    }
    const conceal = () => {
        pin.type = show.checked ? "text" : "password";
    };
    show.checked = false;
    show.parentElement.hidden = false;
    show.addEventListener("change", conceal);
    pin.form.addEventListener("submit", () => {
        pin.type = "password";
    });
}

/** Bytes as people read them, in the browser's language. */
function readableSize(bytes) {
    const [unit, size] = bytes < 1e6 ? ["kilobyte", 1024] : ["megabyte", MEGABYTE];
    const format = {style: "unit", unit, maximumFractionDigits: 1};
    return new Intl.NumberFormat(undefined, format).format(bytes / size);
}

/** The files for a reply: added bit by bit, listed, removed one by one. */
class Files {
    constructor(form, complain) {
        this.input = form.elements.files;
        this.list = find("#chosen");
        this.say = form.dataset;
        this.complain = complain;
        this.chosen = [];
        this.input.addEventListener("change", () => this.add(this.input.files));
        if (this.input.files.length) {
            this.add(this.input.files);
        }
    }

    add(files) {
        const known = new Set(this.chosen.map(Files.key));
        this.chosen.push(...[...files].filter((file) => !known.has(Files.key(file))));
        this.show();
    }

    static key(file) {
        return [file.name, file.size, file.lastModified].join();
    }

    show() {
        const transfer = new DataTransfer();
        this.chosen.forEach((file) => transfer.items.add(file));
        this.input.files = transfer.files;
        this.list.replaceChildren(...this.chosen.map((file) => this.row(file)));
        this.list.hidden = !this.chosen.length;
        this.complain(this.problem());
    }

    row(file) {
        const row = document.createElement("li");
        const text = document.createElement("span");
        const name = document.createElement("bdi");
        const size = document.createElement("bdi");
        const remove = document.createElement("button");
        name.textContent = file.name;
        size.textContent = readableSize(file.size);
        size.className = "hint";
        remove.textContent = this.say.sayRemove;
        remove.setAttribute("aria-label", `${this.say.sayRemove} ${file.name}`);
        remove.type = "button";
        remove.className = "quiet";
        remove.addEventListener("click", () => {
            this.chosen = this.chosen.filter((other) => other !== file);
            this.show();
            this.input.focus();
        });
        text.append(name, " ", size);
        row.append(text, remove);
        return row;
    }

    /** Why these files cannot be sent; empty when they can. */
    problem() {
        const {count, fileMb, totalMb, sayCount, sayFile, sayTotal} = this.say;
        const large = this.chosen.find((file) => file.size > fileMb * MEGABYTE);
        if (large) {
            return `${sayFile} ${large.name}`;
        }
        if (this.chosen.length > count) {
            return sayCount;
        }
        return this.megabytes() > totalMb ? sayTotal : "";
    }

    megabytes() {
        return this.chosen.reduce((sum, file) => sum + file.size, 0) / MEGABYTE;
    }
}

/** The reply: checked before it is sent, sent once, never lost by accident. */
class Reply {
    constructor(form) {
        this.form = form;
        this.body = form.elements.body;
        this.error = find("#error");
        this.grow();
        this.files = new Files(form, (text) => this.complain(text));
        this.body.addEventListener("input", () => this.grow());
        this.body.addEventListener("keydown", (event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                form.requestSubmit(find("#send"));
            }
        });
        form.addEventListener("submit", (event) => this.submit(event));
        window.addEventListener("beforeunload", (event) => {
            if (!form.dataset.sent && this.isStarted()) {
                event.preventDefault();
            }
        });
    }

    isStarted() {
        return Boolean(this.body.value.trim() || this.files.chosen.length);
    }

    grow() {
        while (this.body.scrollHeight > this.body.clientHeight && this.body.rows < 20) {
            this.body.rows += 1;
        }
    }

    complain(text) {
        this.error.textContent = text;
        this.error.hidden = !text;
    }

    /** Have the server keep the text, and take it off the screen that was closed. */
    async keep() {
        const data = new FormData(this.form);
        data.delete("files");
        data.set("resume", "1");
        try {
            const answer = await fetch(this.form.action, {method: "POST", body: data});
            if (answer.ok) {
                this.form.reset();
                this.body.value = "";
                this.files.chosen = [];
                return true;
            }
        } catch {
            // Without a connection it stays, and “Continue” sends it
        }
        return false;
    }

    submit(event) {
        const say = this.form.dataset;
        if (event.submitter?.name === "resume") {
            this.files.input.disabled = true;
        } else {
            const problem =
                (!this.isStarted() && say.sayEmpty) ||
                this.files.problem() ||
                (!navigator.onLine && say.sayOffline);
            if (problem) {
                event.preventDefault();
                this.complain(problem);
                this.error.focus();
                return;
            }
            this.form.dataset.patience = 30 + 10 * this.files.megabytes();
        }
    }
}

/** The end of the idle time: announced, put off by any activity, then a closed page. */
class Idle {
    constructor(dialog, reply) {
        this.dialog = dialog;
        this.reply = reply;
        this.form = find("#stay");
        this.restart(Number(dialog.dataset.seconds), dialog.dataset.final);
        this.form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.stay();
        });
        dialog.addEventListener("cancel", (event) => {
            if (!this.final) {
                event.preventDefault();
                this.stay();
            }
        });
        find("#dismiss").addEventListener("click", () => dialog.close());
        for (const type of ["input", "click"]) {
            find("#conversation").addEventListener(type, () => this.notice());
        }
        this.ticking = setInterval(() => this.tick(), 1000);
    }

    restart(seconds, final) {
        this.full = seconds;
        this.warnAt = Math.min(120, seconds / 2);
        this.learn(seconds, final);
        this.dialog.close();
    }

    /** What the server says of the end; when it is final, staying gains nothing. */
    learn(seconds, final) {
        this.seconds = seconds;
        this.started = Date.now();
        this.final = final || "";
        this.form.hidden = Boolean(this.final);
        for (const kind of ["idle", "grant", "link"]) {
            find(`#${kind}-text`).hidden = kind !== (this.final || "idle");
        }
        find("#dismiss").hidden = !this.final;
        const again = find("#again");
        if (again) {
            again.hidden = this.final !== "grant";
        }
    }

    /** Seconds left: by the clock, because a sleeping phone does not tick. */
    left() {
        return Math.round(this.seconds - (Date.now() - this.started) / 1000);
    }

    tick() {
        const left = this.left();
        if (this.reply?.form.dataset.sent) {
            return;
        }
        if (left <= 0) {
            this.end();
        } else if (left > this.warnAt) {
            this.dialog.close();
        } else {
            const seconds = String(left % 60).padStart(2, "0");
            find("#clock").textContent = `${Math.floor(left / 60)}:${seconds}`;
            if (!this.dialog.open && !this.told) {
                this.told = this.final;
                this.dialog.showModal();
            }
        }
    }

    /** Whoever writes is here: the server is told, but not at each key. */
    notice() {
        if (!this.final && this.left() < this.full * 0.8) {
            this.stay();
        }
    }

    async stay() {
        const {started} = this;
        this.started = Date.now();
        try {
            const answer = await fetch(this.form.action, {
                method: "POST",
                headers: {Accept: "application/json"},
                body: new URLSearchParams(new FormData(this.form)),
            });
            if (answer.ok) {
                const {idle_seconds: seconds, final} = await answer.json();
                this.restart(seconds, final);
            } else {
                this.end();
            }
        } catch {
            this.started = started;
            find("#idle-text").textContent = this.dialog.dataset.sayOffline;
        }
    }

    end() {
        if (this.ended) {
            return;
        }
        this.ended = true;
        clearInterval(this.ticking);
        this.dialog.close();
        find("#conversation").hidden = true;
        for (const part of document.querySelectorAll("#conversation :is(h1, ol)")) {
            part.remove();
        }
        const started = this.reply?.isStarted();
        find("#kept").hidden = !started;
        find("#ended").hidden = false;
        find("#ended-title").focus();
        if (started) {
            this.reply.keep();
        }
    }
}

/** What is too wide for its message scrolls, by keyboard too. */
function letScroll(body) {
    if (body.scrollWidth > body.clientWidth) {
        body.tabIndex = 0;
    }
}

/** New messages, and withdrawn ones, while the page is in front. */
class News {
    constructor(conversation, idle) {
        this.address = conversation.dataset.news;
        this.list = conversation.querySelector("ol");
        this.notice = find("#news");
        this.idle = idle;
        setInterval(() => this.ask(), conversation.dataset.newsSeconds * 1000);
        document.addEventListener("visibilitychange", () => this.ask());
        this.notice.addEventListener("click", () => {
            this.notice.hidden = true;
        });
    }

    known() {
        const rows = [...this.list.children].slice(-80);
        return rows.map((row) => row.dataset.mark).join(".");
    }

    async ask() {
        if (document.hidden || this.idle.ended || this.asking) {
            return;
        }
        this.asking = true;
        try {
            const answer = await fetch(`${this.address}?known=${this.known()}`);
            if (answer.ok) {
                const {html, idle_seconds: seconds, final} = await answer.json();
                this.show(html);
                this.idle.learn(seconds, final);
            } else if (answer.status === 403) {
                this.idle.end();
            }
        } catch {
            // Asked again in a while
        }
        this.asking = false;
    }

    show(html) {
        const parsed = new DOMParser().parseFromString(html, "text/html");
        for (const row of [...parsed.querySelectorAll("li[data-mark]")]) {
            const mark = row.dataset.mark.slice(0, 12);
            const old = this.list.querySelector(`li[data-mark^="${mark}"]`);
            if (old) {
                row.id = old.id;
                old.replaceWith(row);
            } else {
                find("#latest")?.removeAttribute("id");
                row.id = "latest";
                this.list.append(row);
                this.notice.hidden = row.classList.contains("mine");
            }
            row.querySelectorAll(".body").forEach(letScroll);
        }
    }
}

/** A form is sent once; again only after a while, when nothing seems to come of it. */
function sendOnce(event) {
    const {target: form, submitter: button} = event;
    if (event.defaultPrevented) {
        return;
    }
    if (form.dataset.sent) {
        event.preventDefault();
        return;
    }
    const label = button?.textContent;
    form.dataset.sent = "yes";
    button?.setAttribute("aria-disabled", "true");
    if (button?.dataset.saySending) {
        button.textContent = button.dataset.saySending;
    }
    setTimeout(
        () => {
            delete form.dataset.sent;
            button?.removeAttribute("aria-disabled");
            if (button) {
                button.textContent = label;
            }
        },
        1000 * (form.dataset.patience || 5)
    );
}

const pin = find("#pin");
const replyForm = find("#reply-form");
const dialog = find("#idle");
const told = find(".bad:not([hidden])[tabindex], .good[tabindex]");

if (pin) {
    letPinBeShown(pin);
}
document.querySelectorAll(".body").forEach(letScroll);
const reply = replyForm && new Reply(replyForm);
const idle = dialog?.showModal && new Idle(dialog, reply);
const conversation = find("#conversation[data-news]");
if (conversation && idle) {
    new News(conversation, idle);
}
// After the browser has gone to the address' fragment, which takes the focus away
window.addEventListener("load", () => {
    setTimeout(() => (pin?.getAttribute("aria-invalid") ? pin : told)?.focus());
});
document.addEventListener("submit", sendOnce);
// Never out of the browser's memory: the door may be closed by now
window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
        location.reload();
    }
});
