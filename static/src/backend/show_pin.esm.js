import {Component} from "@odoo/owl";
import {CopyButton} from "@web/core/copy_button/copy_button";
import {Dialog} from "@web/core/dialog/dialog";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";

/** Shows a generated PIN, the one time it can be shown. */
export class ShowPinDialog extends Component {
    static template = "secure_messaging.ShowPinDialog";
    static components = {CopyButton, Dialog};
    static props = {
        pin: String,
        name: String,
        close: Function,
    };

    get title() {
        const {name} = this.props;
        return name ? _t("PIN of %(name)s", {name}) : _t("A New PIN");
    }

    get copied() {
        return _t("Copied");
    }

    /** Digits in threes are easier to read out; copying takes them as they are. */
    get groups() {
        return this.props.pin.match(/.{1,3}/g);
    }
}

async function showPin(env, action) {
    const {pin, name} = action.params;
    await env.services.action.doAction({type: "ir.actions.act_window_close"});
    env.services.dialog.add(ShowPinDialog, {pin, name});
}

registry.category("actions").add("secure_messaging.show_pin", showPin);
