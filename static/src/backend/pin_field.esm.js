import {CharField, charField} from "@web/views/fields/char/char_field";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";

/** A PIN to type, or to have chosen. */
export class PinField extends CharField {
    static template = "secure_messaging.PinField";

    setup() {
        super.setup();
        this.orm = useService("orm");
    }

    async onGenerate() {
        const {record, name} = this.props;
        const partnerIds = record.data.partner_ids.currentIds;
        const pin = await this.orm.call(record.resModel, "generate_pin", [partnerIds]);
        await record.update({[name]: pin});
    }
}

registry.category("fields").add("secure_pin", {
    ...charField,
    component: PinField,
    supportedTypes: ["char"],
});
