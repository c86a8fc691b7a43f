import {Component} from "@odoo/owl";
import {browser} from "@web/core/browser/browser";
import {CopyButton} from "@web/core/copy_button/copy_button";
import {Dialog} from "@web/core/dialog/dialog";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";

const LISTED = 200;
const FILE_NAME = "pins.csv";

/**
 * @param {String} text of a cell
 * @returns {String} the same for a CSV, which no spreadsheet takes for a formula
 */
function quoted(text) {
    const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return `"${harmless.replaceAll('"', '""')}"`;
}

/** Shows many generated PINs, the one time they can be shown. */
export class ShowPinsDialog extends Component {
    static template = "secure_messaging.ShowPinsDialog";
    static components = {CopyButton, Dialog};
    static props = {
        pins: Array,
        failed: Number,
        waits: Boolean,
        close: Function,
    };

    get title() {
        return _t("PINs of %(count)s contacts", {count: this.props.pins.length});
    }

    get failed() {
        const count = this.props.failed;
        return count === 1
            ? _t("1 contact got no PIN; the next page says who, and why.")
            : _t("%(count)s contacts got no PIN; the next page says who, and why.", {
                  count,
              });
    }

    get copied() {
        return _t("Copied");
    }

    get listed() {
        return this.props.pins.slice(0, LISTED);
    }

    get more() {
        return this.props.pins.length - this.listed.length;
    }

    /** As “Import PINs” reads it, too. */
    get csv() {
        const rows = this.props.pins.map(({id, name, pin}) => [id, quoted(name), pin]);
        return [[".id", "name", "pin"], ...rows]
            .map((row) => row.join(";"))
            .join("\r\n");
    }

    /** Made by the browser and kept by it: the server has no such file. */
    download() {
        const file = new Blob(["\ufeff", this.csv], {type: "text/csv;charset=utf-8"});
        const url = URL.createObjectURL(file);
        const link = document.createElement("a");
        Object.assign(link, {href: url, download: FILE_NAME});
        link.click();
        browser.setTimeout(() => URL.revokeObjectURL(url));
    }
}

async function showPins(env, {params}) {
    const {action, dialog} = env.services;
    const {pins, failed, next} = params;
    await action.doAction({type: "ir.actions.act_window_close"});
    dialog.add(
        ShowPinsDialog,
        {pins, failed, waits: Boolean(next) && !failed},
        {onClose: () => next && action.doAction(next)}
    );
}

registry.category("actions").add("secure_messaging.show_pins", showPins);
