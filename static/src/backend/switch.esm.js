import {BooleanField, booleanField} from "@web/views/fields/boolean/boolean_field";
import {CheckBox} from "@web/core/checkbox/checkbox";
import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";

import {SecureGuidance} from "./guidance.esm";

/**
 * Have editors hand over what is typed in them.
 *
 * @param {Object} model of a form
 */
export async function takeTyped(model) {
    const proms = [];
    model.bus.trigger("NEED_LOCAL_CHANGES", {proms});
    await Promise.all(proms);
}

/** “Send Securely”: on or off at first sight, by colour, lock and words. */
export class SecureSwitch extends Component {
    static template = "secure_messaging.Switch";
    static components = {CheckBox, SecureGuidance};
    static props = {
        value: Boolean,
        onChange: Function,
        id: {type: String, optional: true},
        disabled: {type: Boolean, optional: true},
        slots: {type: Object, optional: true},
    };
}

export class SecureSwitchField extends BooleanField {
    static template = "secure_messaging.SwitchField";
    static components = {SecureSwitch};

    /** An editor that changes with the switch hands over first what is typed in it. */
    async onChange(value) {
        await takeTyped(this.props.record.model);
        super.onChange(value);
    }
}

registry.category("fields").add("secure_switch", {
    ...booleanField,
    component: SecureSwitchField,
});
