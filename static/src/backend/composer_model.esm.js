import {AttachmentUploadService} from "@mail/core/common/attachment_upload_service";
import {Composer} from "@mail/core/common/composer_model";
import {patch} from "@web/core/utils/patch";
import {Store} from "@mail/core/common/store_service";

export const SECURE_MODEL = "secure.thread";
const WITHOUT_CONTACTS = ["discuss.channel", "mail.box", SECURE_MODEL];

/**
 * @param {Object} [thread] of Odoo's mail store
 * @returns {Boolean} whether it is a secure conversation
 */
export function isSecure(thread) {
    return thread?.model === SECURE_MODEL;
}

/** Open full composers with the switch on: what is uploaded belongs to them. */
export const secureForms = new Set();

/**
 * Odoo names recipients by their address, and the server takes the first contact who has
 * it. A secure message is for the one who was chosen.
 *
 * @param {Object} postData of the message
 * @param {Object} thread the document
 */
function nameRecipients(postData, thread) {
    const chosen = [...thread.suggestedRecipients, ...thread.additionalRecipients];
    const known = chosen.filter((recipient) => recipient.partner_id);
    const ids = known.map((recipient) => recipient.partner_id);
    const unknown = chosen.filter((recipient) => !recipient.partner_id);
    const mentioned = postData.partner_ids ?? [];
    postData.partner_ids = [...new Set([...mentioned, ...ids])];
    postData.partner_emails = unknown.map((recipient) => recipient.email);
}

patch(Composer.prototype, {
    setup() {
        super.setup(...arguments);
        /** What was chosen for this message; undefined: what the company prefers. */
        this.secureChoice = undefined;
        /** Whether it holds what was typed as a secure message. */
        this.holdsSecret = false;
    },
    /** Whether messages of the document can be sent securely at all. */
    get offersSecure() {
        const thread = this.thread;
        return Boolean(
            thread &&
                !WITHOUT_CONTACTS.includes(thread.model) &&
                this.store.secureSending(thread).enabled
        );
    },
    get sendsSecurely() {
        const preferred = () => this.store.secureSending(this.thread).preferred;
        return this.offersSecure && Boolean(this.secureChoice ?? preferred());
    },
    chooseSecure(value) {
        this.secureChoice = value;
        this.holdsSecret = value;
    },
    clear() {
        super.clear(...arguments);
        this.secureChoice = undefined;
        this.holdsSecret = false;
    },
});

patch(Store.prototype, {
    setup() {
        super.setup(...arguments);
        this.secure_sending = undefined;
    },
    /**
     * @param {Object} thread the document; its own company decides
     * @returns {Object} whether it can send securely, and prefers to
     */
    secureSending(thread) {
        return thread.secure_sending ?? this.secure_sending ?? {};
    },
    async getMessagePostParams({postData, thread}) {
        const params = await super.getMessagePostParams(...arguments);
        if (postData.sendSecurely) {
            nameRecipients(params.post_data, thread);
            params.post_data.send_securely = true;
        }
        return params;
    },
});

// What is uploaded for a secure message is sealed as it arrives.
patch(AttachmentUploadService.prototype, {
    _buildFormData(formData, tmpURL, thread, composer) {
        super._buildFormData(...arguments);
        if (composer && (composer.sendsSecurely || secureForms.size)) {
            formData.append("secure", "1");
        }
        return formData;
    },
});
