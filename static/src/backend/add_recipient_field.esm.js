import {Component, useRef, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {useService} from "@web/core/utils/hooks";

/** Adds the contacts behind addresses, or a number, to the recipients. */
export class AddRecipientField extends Component {
    static template = "secure_messaging.AddRecipientField";
    static props = {...standardFieldProps, placeholder: {type: String, optional: true}};

    setup() {
        this.orm = useService("orm");
        this.notification = useService("notification");
        this.input = useRef("input");
        this.state = useState({problem: "", busy: false});
    }

    onKeydown(ev) {
        if (ev.key === "Enter") {
            ev.preventDefault();
            ev.stopPropagation();
            this.add();
        }
    }

    async add() {
        const text = this.input.el.value.trim();
        if (!text || this.state.busy) {
            return;
        }
        const {record} = this.props;
        this.state.busy = true;
        try {
            const found = await this.orm.call(record.resModel, "add_recipient", [text]);
            this.state.problem = found.problem;
            if (found.ids.length) {
                await record.data.partner_ids.addAndRemove({add: found.ids});
                this.input.el.value = "";
            }
            for (const name of found.made) {
                const message = _t("A new contact was made: %s", name);
                this.notification.add(message, {type: "info"});
            }
        } finally {
            this.state.busy = false;
        }
    }
}

registry.category("fields").add("secure_add_recipient", {
    component: AddRecipientField,
    supportedTypes: ["char"],
    extractProps: ({placeholder}) => ({placeholder}),
});
