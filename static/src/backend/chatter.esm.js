import {_t} from "@web/core/l10n/translation";
import {Attachment} from "@mail/core/common/attachment_model";
import {Chatter} from "@mail/chatter/web_portal/chatter";
import {Message as MessageComponent} from "@mail/core/common/message";
import {Message} from "@mail/core/common/message_model";
import {patch} from "@web/core/utils/patch";
import {useService} from "@web/core/utils/hooks";

import {isSecure} from "./composer_model.esm";

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

patch(MessageComponent.prototype, {
    get isSecureMessage() {
        return isSecure(this.message.thread);
    },
});

// The server logs addresses: no file name in them. And it has no first page of a
// ciphertext to make a thumbnail from.
patch(Attachment.prototype, {
    get isSecure() {
        return (
            Boolean(this.secure_sealed) ||
            isSecure(this.thread) ||
            isSecure(this.composer?.targetThread) ||
            Boolean(this.composer?.sendsSecurely)
        );
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
    get requestList() {
        return [...super.requestList, "secure_messaging"];
    },
    get afterPostRequestList() {
        return [...super.afterPostRequestList, "secure_messaging"];
    },
    get onCloseFullComposerRequestList() {
        return [...super.onCloseFullComposerRequestList, "secure_messaging"];
    },
    get isSecure() {
        return isSecure(this.state.thread);
    },
    get secureThreadsTitle() {
        return _t("Secure conversations about this");
    },
    async openSecureThreads() {
        const {id, model} = this.state.thread;
        const action = await this.orm.call("secure.thread", "action_open_about", [
            model,
            id,
        ]);
        return this.env.services.action.doAction(action);
    },
    get secureContact() {
        return this.props.record?.data.partner_id?.display_name;
    },
});
