import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

/** When secure messaging fits, and when not: the one place for these words. */
export class SecureGuidance extends Component {
    static template = "secure_messaging.Guidance";
    static props = {
        ...standardWidgetProps,
        record: {type: Object, optional: true},
        unfolded: {type: Boolean, optional: true},
    };
}

registry.category("view_widgets").add("secure_guidance", {
    component: SecureGuidance,
    extractProps: () => ({unfolded: true}),
});
