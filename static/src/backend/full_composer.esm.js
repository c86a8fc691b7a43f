import {DYNAMIC_PLACEHOLDER_PLUGINS} from "@html_editor/backend/plugin_sets";
import {HtmlComposerMessageField} from "@mail/views/web/fields/html_composer_message_field/html_composer_message_field";
import {
    mailComposerAttachmentList,
    MailComposerAttachmentList,
} from "@mail/core/web/mail_composer_attachment_list";
import {MailComposerFormRenderer} from "@mail/chatter/web/mail_composer_form";
import {MentionPlugin} from "@mail/views/web/fields/html_composer_message_field/mention_plugin";
import {patch} from "@web/core/utils/patch";
import {PowerboxPlugin} from "@html_editor/main/powerbox/powerbox_plugin";
import {SearchPowerboxPlugin} from "@html_editor/main/powerbox/search_powerbox_plugin";
import {useEffect} from "@odoo/owl";
import {useService} from "@web/core/utils/hooks";

import {NAME_FIELDS, withRealNames} from "./files_field.esm";
import {filesAsAttachments} from "./message_body_field.esm";
import {SECURE_PLUGINS} from "./editor_plugins.esm";
import {secureForms} from "./composer_model.esm";

patch(MailComposerFormRenderer.prototype, {
    setup() {
        super.setup();
        useEffect(
            (secure) => {
                if (secure) {
                    secureForms.add(this);
                }
                // The chatter that opened this form gets its text back, if it is left
                this.env.fullComposerBus?.trigger("SECURE_SEND", {secure});
                return () => secureForms.delete(this);
            },
            () => [Boolean(this.props.record.data.secure_send)]
        );
    },
});

patch(HtmlComposerMessageField.prototype, {
    setup() {
        super.setup();
        this.notification = useService("notification");
    },
    get isSecure() {
        return Boolean(this.props.record.data.secure_send);
    },
    /** What the editor can do is decided as it is made. */
    get wysiwygKey() {
        return `${super.wysiwygKey}_${this.isSecure}`;
    },
    getConfig() {
        const config = super.getConfig(...arguments);
        if (!this.isSecure) {
            return config;
        }
        const Plugins = [...SECURE_PLUGINS, MentionPlugin];
        if (this.props.record.data.composition_batch) {
            Plugins.push(PowerboxPlugin, SearchPowerboxPlugin);
            Plugins.push(...DYNAMIC_PLACEHOLDER_PLUGINS);
        }
        const resources = filesAsAttachments(this.notification);
        return {
            ...config,
            Plugins,
            allowFile: false,
            resources: {...config.resources, ...resources},
        };
    },
});

mailComposerAttachmentList.relatedFields = [
    ...mailComposerAttachmentList.relatedFields,
    ...NAME_FIELDS,
];
patch(MailComposerAttachmentList.prototype, {
    get files() {
        return withRealNames(super.files);
    },
});
