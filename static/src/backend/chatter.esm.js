import {_t} from "@web/core/l10n/translation";
import {Attachment} from "@mail/core/common/attachment_model";
import {browser} from "@web/core/browser/browser";
import {Chatter} from "@mail/chatter/web_portal/chatter";
import {Composer} from "@mail/core/common/composer";
import {composerActionsRegistry} from "@mail/core/common/composer_actions";
import {Message} from "@mail/core/common/message_model";
import {patch} from "@web/core/utils/patch";
import {useEffect} from "@odoo/owl";
import {useService} from "@web/core/utils/hooks";

import {withoutStrangers} from "./editor_plugins.esm";

const SECURE_MODEL = "secure.thread";

/**
 * @param {Object} [thread] of Odoo's mail store
 * @returns {Boolean} whether it is a secure conversation
 */
function isSecure(thread) {
    return thread?.model === SECURE_MODEL;
}

// What would show, change or take the content elsewhere has no place on a message that
// is sealed: editing and deleting, forwarding, answering by plain email, translating by
// another service, reactions (which stay in clear, and which the contact never sees).
patch(Message.prototype, {
    get editable() {
        return !isSecure(this.thread) && super.editable;
    },
    canForward() {
        return !isSecure(this.thread) && super.canForward(...arguments);
    },
    canReplyAll() {
        return !isSecure(this.thread) && super.canReplyAll(...arguments);
    },
    canAddReaction() {
        return !isSecure(this.thread) && super.canAddReaction(...arguments);
    },
    isTranslatable() {
        return !isSecure(this.thread) && super.isTranslatable(...arguments);
    },
});

// The server logs addresses: no file name in them. And it has no first page of a
// ciphertext to make a thumbnail from.
patch(Attachment.prototype, {
    get isSecure() {
        return isSecure(this.thread) || isSecure(this.composer?.targetThread);
    },
    get isDeletable() {
        return !(this.isSecure && this.message) && super.isDeletable;
    },
    get urlQueryParams() {
        const params = super.urlQueryParams;
        if (this.isSecure) {
            delete params.filename;
        }
        return params;
    },
    async setPdfThumbnail() {
        // An upload learns what it belongs to right after it has come to be
        await Promise.resolve();
        return this.isSecure ? undefined : super.setPdfThumbnail();
    },
});

patch(composerActionsRegistry.get("open-full-composer"), {
    condition({composer}) {
        return !isSecure(composer.targetThread) && super.condition(...arguments);
    },
});

patch(Composer.prototype, {
    setup() {
        super.setup();
        // An answer written from the inbox stays secret after the inbox lets go of it
        this.hasBeenSecure = false;
        useEffect(
            (secure) => {
                this.hasBeenSecure ||= secure;
            },
            () => [isSecure(this.thread)]
        );
    },
    get isSecureMessage() {
        return isSecure(this.thread) && this.props.type !== "note";
    },
    get placeholder() {
        if (!isSecure(this.thread) || this.props.placeholder) {
            return super.placeholder;
        }
        return this.isSecureMessage
            ? _t("Write a secure message to the contact…")
            : _t("Write a note for colleagues: the contact does not see it…");
    },
    get SEND_TEXT() {
        return this.isSecureMessage ? _t("Send Securely") : super.SEND_TEXT;
    },
    get wysiwygConfig() {
        const config = super.wysiwygConfig;
        if (isSecure(this.thread)) {
            config.Plugins = withoutStrangers(config.Plugins);
        }
        return config;
    },
    saveContent() {
        if (isSecure(this.thread) || this.hasBeenSecure) {
            this.forgetDraft();
        } else {
            super.saveContent();
        }
    },
    restoreContent() {
        if (isSecure(this.thread)) {
            this.forgetDraft();
        } else {
            super.restoreContent();
        }
    },
    /** Odoo keeps drafts in the browser's storage, in clear. */
    forgetDraft() {
        browser.localStorage.removeItem(this.props.composer.localId);
    },
});

patch(Chatter.prototype, {
    setup() {
        super.setup();
        const notification = useService("notification");
        const uploadFile = this.attachmentUploader.uploadFile;
        this.attachmentUploader.uploadFile = async function (...args) {
            if (isSecure(this.thread)) {
                const message = _t("Files go with a message: please open one first.");
                return notification.add(message, {type: "info"});
            }
            return uploadFile.apply(this, args);
        };
    },
    get isSecure() {
        return isSecure(this.state.thread);
    },
    get secureContact() {
        return this.props.record?.data.partner_id?.display_name;
    },
});
