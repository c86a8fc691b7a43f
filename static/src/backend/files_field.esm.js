import {
    Many2ManyBinaryField,
    many2ManyBinaryField,
} from "@web/views/fields/many2many_binary/many2many_binary_field";
import {registry} from "@web/core/registry";

export const NAME_FIELDS = [
    {name: "secure_display_name", type: "char"},
    {name: "secure_display_type", type: "char"},
];

/**
 * @param {Array} files as a form shows them
 * @returns {Array} the same under their real names: what is stored of a sealed one is a
 * placeholder
 */
export function withRealNames(files) {
    return files.map((file) => ({
        ...file,
        name: file.secure_display_name || file.name,
        mimetype: file.secure_display_type || file.mimetype,
    }));
}

export class SecureFilesField extends Many2ManyBinaryField {
    static template = "secure_messaging.FilesField";

    get files() {
        return withRealNames(super.files);
    }
}

registry.category("fields").add("secure_files", {
    ...many2ManyBinaryField,
    component: SecureFilesField,
    relatedFields: [...many2ManyBinaryField.relatedFields, ...NAME_FIELDS],
});
