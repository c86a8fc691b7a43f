import {Component, onWillDestroy, useEffect, useState} from "@odoo/owl";
import {FormViewDialog} from "@web/views/view_dialogs/form_view_dialog";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {useService} from "@web/core/utils/hooks";

const WIZARD_VIEW = "secure_messaging.secure_pin_wizard_view_form_over";

/** “Will ask for …”, and a way to set the PINs that are missing. */
export class PinLine extends Component {
    static template = "secure_messaging.PinLine";
    static props = {
        text: String,
        missing: Array,
        onSet: Function,
    };

    setup() {
        this.dialog = useService("dialog");
    }

    /** On top of what is being written, which stays as it is. */
    setPin({id, name}) {
        this.dialog.add(FormViewDialog, {
            title: _t("PIN of %(contact)s", {contact: name}),
            resModel: "secure.pin.wizard",
            context: {default_partner_id: id, form_view_ref: WIZARD_VIEW},
            size: "md",
            canExpand: false,
            onRecordSaved: () => this.props.onSet(),
        });
    }
}

/** In a form, whose server tells it. */
export class PinLineField extends Component {
    static template = "secure_messaging.PinLineField";
    static components = {PinLine};
    static props = {
        ...standardFieldProps,
        asked: String,
        missing: String,
    };

    get text() {
        return this.props.record.data[this.props.name] || "";
    }

    get missing() {
        return this.props.record.data[this.props.missing] || [];
    }

    /** Have the form ask the server anew, with all that depends on it. */
    async onSet() {
        const {record, asked} = this.props;
        await record.update({[asked]: record.data[asked] + 1});
    }
}

registry.category("fields").add("secure_pin_line", {
    component: PinLineField,
    supportedTypes: ["char"],
    extractProps: ({options}) => options,
});

/** In the chatter's composer: asked once for each choice of recipients. */
export class ChatterPinLine extends Component {
    static template = "secure_messaging.ChatterPinLine";
    static components = {PinLine};
    static props = {thread: Object};

    setup() {
        this.orm = useService("orm");
        this.state = useState({line: undefined});
        this.asked = undefined;
        onWillDestroy(() => (this.asked = undefined));
        useEffect(
            () => {
                this.ask();
            },
            () => [this.partnerIds.join()]
        );
    }

    get partnerIds() {
        const {suggestedRecipients, additionalRecipients} = this.props.thread;
        const chosen = [...suggestedRecipients, ...additionalRecipients];
        const ids = chosen.map((recipient) => recipient.partner_id).filter(Boolean);
        return [...new Set(ids)].sort((one, other) => one - other);
    }

    /** What was told before stays until the answer is there. */
    async ask() {
        const {id, model} = this.props.thread;
        const ids = this.partnerIds;
        const asked = ids.join();
        this.asked = asked;
        const line = ids.length
            ? await this.orm.silent.call("res.partner", "secure_pin_line", [
                  ids,
                  model,
                  id,
              ])
            : undefined;
        if (this.asked === asked) {
            this.state.line = line;
        }
    }
}
