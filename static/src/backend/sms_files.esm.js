import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {useService} from "@web/core/utils/hooks";

import {takeTyped} from "./switch.esm";

const KNOWN = [
    "body",
    "composition_mode",
    "number_field_name",
    "numbers",
    "res_id",
    "res_ids",
    "res_model",
];

/** From an SMS, which carries no files, to Compose, with recipients and text. */
export class SmsFilesLink extends Component {
    static template = "secure_messaging.SmsFilesLink";
    static props = {...standardWidgetProps};

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
    }

    async onClick() {
        const {data, model} = this.props.record;
        await takeTyped(model);
        const values = Object.fromEntries(KNOWN.map((name) => [name, data[name]]));
        const action = await this.orm.call("sms.composer", "action_secure_compose", [
            values,
        ]);
        await this.action.doAction(action);
    }
}

registry.category("view_widgets").add("secure_sms_files", {component: SmsFilesLink});
