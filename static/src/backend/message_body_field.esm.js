import {HtmlField, htmlField} from "@html_editor/fields/html_field";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";

import {SECURE_PLUGINS} from "./editor_plugins.esm";

/**
 * @param {Object} notification Odoo's service
 * @returns {Object} resources of an editor that takes no pasted files, and says why
 */
export function filesAsAttachments(notification) {
    const message = _t("Please add pictures and other files as attachments.");
    return {
        before_paste_handlers: (selection, ev) => {
            if (ev.clipboardData?.files.length) {
                notification.add(message, {type: "info"});
            }
        },
        bypass_paste_image_files: () => true,
    };
}

/** Rich text that stays text: no pictures, media, embedded things or assistants. */
export class MessageBodyField extends HtmlField {
    setup() {
        super.setup();
        this.notification = useService("notification");
    }

    getConfig() {
        return {
            ...super.getConfig(),
            Plugins: SECURE_PLUGINS,
            allowFile: false,
            dropImageAsAttachment: false,
            resources: filesAsAttachments(this.notification),
        };
    }
}

registry.category("fields").add("secure_message_body", {
    ...htmlField,
    component: MessageBodyField,
    additionalClasses: ["o_field_html"],
    extractProps(params, dynamicInfo) {
        return {
            ...htmlField.extractProps(params, dynamicInfo),
            embeddedComponents: false,
            isCollaborative: false,
            migrateHTML: false,
        };
    },
});
