import {Component, useRef, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {useInputField} from "@web/views/fields/input_field_hook";

/**
 * @param {ArrayBuffer} data of a file
 * @returns {String|null} its text, as spreadsheets save it; null when it is no text
 */
function asText(data) {
    const start = new Uint8Array(data.slice(0, 2));
    if (start[0] === 0xff && start[1] === 0xfe) {
        return new TextDecoder("utf-16le").decode(data);
    }
    let text = "";
    try {
        text = new TextDecoder("utf-8", {fatal: true}).decode(data);
    } catch {
        text = new TextDecoder("windows-1252").decode(data);
    }
    return text.includes("\0") ? null : text;
}

/** A list of PINs, pasted or from a file that the browser reads: it is not uploaded. */
export class PinListField extends Component {
    static template = "secure_messaging.PinListField";
    static props = {...standardFieldProps, placeholder: {type: String, optional: true}};

    setup() {
        this.file = useRef("file");
        this.state = useState({problem: ""});
        useInputField({
            getValue: () => this.props.record.data[this.props.name] || "",
            refName: "textarea",
        });
    }

    async onFile() {
        const [file] = this.file.el.files;
        this.file.el.value = "";
        if (!file) {
            return;
        }
        const text = asText(await file.arrayBuffer());
        this.state.problem = text === null ? _t("This is no CSV file.") : "";
        if (text !== null) {
            await this.props.record.update({[this.props.name]: text});
        }
    }
}

registry.category("fields").add("secure_pin_list", {
    component: PinListField,
    supportedTypes: ["text"],
    extractProps: ({placeholder}) => ({placeholder}),
});
