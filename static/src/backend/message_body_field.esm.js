import {HtmlField, htmlField} from "@html_editor/fields/html_field";
import {Dropdown} from "@web/core/dropdown/dropdown";
import {DropdownItem} from "@web/core/dropdown/dropdown_item";
import {DynamicPlaceholderPlugin} from "@html_editor/others/dynamic_placeholder_plugin";
import {QWebPlugin} from "@html_editor/others/qweb_plugin";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useState} from "@odoo/owl";

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
    static template = "secure_messaging.MessageBodyField";
    static components = {...HtmlField.components, Dropdown, DropdownItem};
    static props = {
        ...HtmlField.props,
        cannedResponses: {type: Boolean, optional: true},
    };

    setup() {
        super.setup();
        this.notification = useService("notification");
        this.canned = useState({responses: []});
    }

    async loadCannedResponses() {
        const {resModel} = this.props.record;
        this.canned.responses = await this.ormService.call(
            resModel,
            "canned_responses",
            []
        );
    }

    insertCannedResponse(response) {
        const fragment = document.createDocumentFragment();
        response.substitution.split("\n").forEach((line, index) => {
            if (index) {
                fragment.append(document.createElement("br"));
            }
            fragment.append(line);
        });
        this.editor.shared.selection.focusEditable();
        this.editor.shared.dom.insert(fragment);
        this.editor.shared.history.addStep();
    }

    insertField() {
        this.editor.shared.selection.focusEditable();
        this.editor.shared.userCommand.getCommand("openDynamicPlaceholder").run();
    }

    getConfig() {
        return {
            ...super.getConfig(),
            Plugins: this.props.dynamicPlaceholder
                ? [...SECURE_PLUGINS, DynamicPlaceholderPlugin, QWebPlugin]
                : SECURE_PLUGINS,
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
            cannedResponses: Boolean(params.options.canned_responses),
            isCollaborative: false,
            migrateHTML: false,
        };
    },
});
