import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";

/** A page as its reader sees it, where nothing runs and nothing leads anywhere. */
export class PreviewField extends Component {
    static template = "secure_messaging.PreviewField";
    static props = {...standardFieldProps, tall: {type: Boolean, optional: true}};

    get page() {
        return this.props.record.data[this.props.name] || "";
    }
}

registry.category("fields").add("secure_preview", {
    component: PreviewField,
    supportedTypes: ["text"],
    extractProps: ({options}) => ({tall: Boolean(options.tall)}),
});
