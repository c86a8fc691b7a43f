import {FormController} from "@web/views/form/form_controller";
import {formView} from "@web/views/form/form_view";
import {registry} from "@web/core/registry";

/** The form of a conversation: opening it takes its replies as read. */
export class SecureThreadFormController extends FormController {
    get modelParams() {
        const params = super.modelParams;
        params.hooks.onRootLoaded = this.onRootLoaded.bind(this);
        return params;
    }

    async onRootLoaded(root) {
        if (root.data.staff_unread_count) {
            await this.orm.silent.call(root.resModel, "action_mark_read", [
                [root.resId],
            ]);
        }
    }
}

registry.category("views").add("secure_thread_form", {
    ...formView,
    Controller: SecureThreadFormController,
});
