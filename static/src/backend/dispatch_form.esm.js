import {onWillUnmount} from "@odoo/owl";
import {FormController} from "@web/views/form/form_controller";
import {browser} from "@web/core/browser/browser";
import {formView} from "@web/views/form/form_view";
import {registry} from "@web/core/registry";

const RELOAD_MS = 5000;

/** The form of a send: while it runs, its progress is read anew. */
export class SecureDispatchFormController extends FormController {
    setup() {
        super.setup();
        this.reloading = browser.setInterval(() => this.reload(), RELOAD_MS);
        onWillUnmount(() => browser.clearInterval(this.reloading));
    }

    async reload() {
        const {root} = this.model;
        if (document.visibilityState === "visible" && root?.data.state === "running") {
            await root.load();
        }
    }
}

registry.category("views").add("secure_dispatch_form", {
    ...formView,
    Controller: SecureDispatchFormController,
});
