import {CharField, charField} from "@web/views/fields/char/char_field";
import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {ShowPinDialog} from "./show_pin.esm";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {useService} from "@web/core/utils/hooks";

/** A PIN to type, or to have chosen. Once saved it does not come back. */
export class PinField extends CharField {
    static template = "secure_messaging.PinField";

    setup() {
        super.setup();
        this.orm = useService("orm");
        this.dialog = useService("dialog");
    }

    get partners() {
        const {partner_id, partner_ids} = this.props.record.data;
        return partner_ids ? partner_ids.currentIds : [partner_id.id];
    }

    async onGenerate() {
        const {record, name} = this.props;
        const pin = await this.orm.call("secure.compose", "generate_pin", [
            this.partners,
        ]);
        await record.update({[name]: pin});
        this.dialog.add(ShowPinDialog, {pin, name: ""});
    }
}

registry.category("fields").add("secure_pin", {
    ...charField,
    component: PinField,
    supportedTypes: ["char"],
});

/** Whether a PIN that was set stays: a link to change it, and one back. */
export class KeepPinField extends Component {
    static template = "secure_messaging.KeepPinField";
    static props = {...standardFieldProps};

    get keeps() {
        return this.props.record.data[this.props.name];
    }

    onClick() {
        this.props.record.update({[this.props.name]: !this.keeps, pin: false});
    }
}

registry.category("fields").add("secure_keep_pin", {
    component: KeepPinField,
    supportedTypes: ["boolean"],
});
