import {_t} from "@web/core/l10n/translation";
import {browser} from "@web/core/browser/browser";
import {Composer} from "@mail/core/common/composer";
import {composerActionsRegistry} from "@mail/core/common/composer_actions";
import {markup, toRaw, useEffect} from "@odoo/owl";
import {patch} from "@web/core/utils/patch";
import {RecipientsInput} from "@mail/core/web/recipients_input";

import {ChatterPinLine} from "./pin_line.esm";
import {isSecure} from "./composer_model.esm";
import {SecureSwitch} from "./switch.esm";
import {withoutStrangers} from "./editor_plugins.esm";

Composer.components = {...Composer.components, ChatterPinLine, SecureSwitch};

patch(composerActionsRegistry.get("open-full-composer"), {
    condition({composer}) {
        return !isSecure(composer.targetThread) && super.condition(...arguments);
    },
});

patch(Composer.prototype, {
    setup() {
        super.setup();
        useEffect(
            (secret) => {
                if (secret) {
                    this.props.composer.holdsSecret = true;
                    this.forgetDraft();
                }
            },
            () => [isSecure(this.thread) || this.isSecureMessage]
        );
    },

    // -- the switch -------------------------------------------------------------

    /** The switch is for messages from a document's chatter. */
    get offersSecure() {
        const {composer, type} = this.props;
        return (
            Boolean(this.env.inChatter) &&
            type === "message" &&
            !composer.message &&
            composer.offersSecure
        );
    },
    get isSecureMessage() {
        if (isSecure(this.thread)) {
            return this.props.type !== "note";
        }
        return this.offersSecure && this.props.composer.sendsSecurely;
    },
    get hasNoRecipient() {
        const {additionalRecipients, suggestedRecipients} = this.thread;
        return !additionalRecipients.length && !suggestedRecipients.length;
    },
    chooseSecure(value) {
        this.props.composer.chooseSecure(value);
    },
    get placeholder() {
        if (this.props.placeholder) {
            return super.placeholder;
        }
        if (!isSecure(this.thread)) {
            return this.isSecureMessage
                ? _t("Write a secure message…")
                : super.placeholder;
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
        if (isSecure(this.thread) || this.isSecureMessage) {
            config.Plugins = withoutStrangers(config.Plugins);
        }
        return config;
    },
    get postData() {
        const data = super.postData;
        if (this.offersSecure && this.isSecureMessage) {
            data.sendSecurely = true;
        }
        return data;
    },
    /** What is refused can be put right and sent again. */
    async processMessage() {
        try {
            await super.processMessage(...arguments);
        } finally {
            this.state.active = true;
        }
    },

    // -- the full composer ------------------------------------------------------

    get fullComposerAdditionalContext() {
        const context = super.fullComposerAdditionalContext;
        return this.offersSecure
            ? {...context, default_secure_send: this.isSecureMessage}
            : context;
    },
    async onClickFullComposer() {
        this.fullComposerBus.addEventListener("SECURE_SEND", ({detail}) =>
            this.chooseSecure(detail.secure)
        );
        return super.onClickFullComposer(...arguments);
    },

    // -- drafts: Odoo keeps them in the browser's storage, in clear --------------

    get keepsNoDraft() {
        return (
            isSecure(this.thread) ||
            this.isSecureMessage ||
            this.props.composer.holdsSecret
        );
    },
    saveContent() {
        if (!this.keepsNoDraft) {
            super.saveContent();
            return;
        }
        this.forgetDraft();
        if (this.state.isFullComposerOpen) {
            this.takeBackFromFullComposer();
        }
    },
    takeBackFromFullComposer() {
        const composer = toRaw(this.props.composer);
        this.fullComposerBus.trigger("SAVE_CONTENT", {
            onSaveContent: ({composerHtml, emailAddSignature}) => {
                composer.composerHtml = markup(composerHtml.toString());
                composer.emailAddSignature = emailAddSignature;
            },
        });
    },
    restoreContent() {
        if (isSecure(this.thread)) {
            this.forgetDraft();
        } else {
            super.restoreContent();
        }
    },
    forgetDraft() {
        browser.localStorage.removeItem(this.props.composer.localId);
    },
});

patch(RecipientsInput.prototype, {
    getPlaceholder() {
        const recipients = this.getAllMailThreadRecipients();
        const secure = this.props.thread.composer?.sendsSecurely;
        return secure && !recipients.length
            ? _t("Choose contacts…")
            : super.getPlaceholder();
    },
});
