from odoo import models


class IrBinary(models.AbstractModel):
    _inherit = "ir.binary"

    def _get_stream_from(
        self,
        record,
        field_name="raw",
        filename=None,
        filename_field="name",
        *args,
        **kwargs,
    ):
        """Let sealed files keep the name their stream was opened with: Odoo would put
        the record's, which is a placeholder."""
        stream = super()._get_stream_from(
            record, field_name, filename, filename_field, *args, **kwargs
        )
        if (
            not filename
            and record._name == "ir.attachment"
            and field_name == "raw"
            and record._secure_among()
        ):
            stream.download_name = record._secure_head()["name"]
        return stream
