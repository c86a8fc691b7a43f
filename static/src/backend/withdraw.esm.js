import {ACTION_TAGS} from "@mail/core/common/action";
import {ConfirmationDialog} from "@web/core/confirmation_dialog/confirmation_dialog";
import {Message} from "@mail/core/common/message_model";
import {Message as MessageComponent} from "@mail/core/common/message";
import {_t} from "@web/core/l10n/translation";
import {fields} from "@mail/core/common/record";
import {patch} from "@web/core/utils/patch";
import {registerMessageAction} from "@mail/core/common/message_actions";
import {sprintf} from "@web/core/utils/strings";
import {toRaw} from "@odoo/owl";

import {isSecure} from "./composer_model.esm";

patch(Message.prototype, {
    setup() {
        super.setup(...arguments);
        this.secure_to_contact = false;
        this.secure_withdrawn_date = fields.Datetime();
    },
    get canWithdraw() {
        return (
            isSecure(this.thread) &&
            this.secure_to_contact &&
            !this.secure_withdrawn_date &&
            this.thread.hasWriteAccess
        );
    },
    /** Ask, then take the message and its files away from the contact, for good. */
    async withdraw() {
        const message = toRaw(this);
        const {dialog, orm} = message.store.env.services;
        dialog.add(ConfirmationDialog, {
            title: _t("Withdraw this message?"),
            body: _t(
                "The contact will no longer be able to read it or take its files, and reads in its place that it was withdrawn. What was read already cannot be made unread. This cannot be undone."
            ),
            confirmLabel: _t("Withdraw"),
            confirmClass: "btn-danger",
            confirm: async () => {
                const date = await orm.call(
                    "secure.thread",
                    "action_withdraw_message",
                    [[message.thread.id], message.id]
                );
                message.secure_withdrawn_date = date;
                await message.thread.fetchNewMessages();
            },
            cancelLabel: _t("Keep It"),
            cancel: () => undefined,
        });
    },
});

patch(MessageComponent.prototype, {
    get secureWithdrawnText() {
        const date = this.message.secure_withdrawn_date;
        return sprintf(
            _t("Withdrawn on %s: the contact can no longer read it."),
            date.toLocaleString(luxon.DateTime.DATETIME_MED)
        );
    },
});

registerMessageAction("secure-withdraw", {
    condition: ({message}) => message.canWithdraw,
    icon: "fa fa-undo",
    name: _t("Withdraw"),
    onSelected: ({message}) => message.withdraw(),
    sequence: 115,
    tags: ACTION_TAGS.DANGER,
});
