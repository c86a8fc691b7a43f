"""Fields whose column holds ciphertext, for Odoo's own composers.

To the ORM they are what they were: stored, computed, editable. Only on their way into
the column they are sealed, and opened on their way back into the cache: the web client
saves a composer before it sends, and rows live on in backups and dead tuples.
"""

from odoo import fields

from ..tools.keyring import Purpose, new_uid
from .secure_keyring import KeysUnavailable

SEALED, PLAIN = "sealed", "plain"
"""First word of a column: how the rest is to be read. Plain is for ordinary messages
while the key is missing; then none is sent securely."""


def _is_secure(record, values):
    """Whether a row will be sent securely, as far as is known while it is made."""
    if values.get("secure_send") or any(one.secure_send for one in record):
        return True
    if record or "secure_send" in values:
        return False
    template = record["template_id"].sudo().browse(values.get("template_id"))
    if template:
        return template.send_securely
    return record.env.company._secure_sends_by_default()


def reseal(records):
    """Write sealed fields anew, whatever their columns hold: a row may be from before
    its switch was turned on, when the key was missing."""
    for record in records:
        for field in record._fields.values():
            if isinstance(field, _Sealed):
                value = field.convert_to_cache(record[field.name], record)
                field._update_cache(record, value, dirty=True)


class _Sealed:
    def convert_to_column(self, value, record, values=None, validate=True):
        """Seal a value on its way into the column; see ``Field.convert_to_column``."""
        text = super().convert_to_column(value, record, values, validate)
        if not text:
            return text
        return self._seal(record, text, values or {})

    def _seal(self, record, text, values):
        # A uid of the value's own: when a row is made, its other columns are not known
        uid = new_uid()
        place = (self.model_name, uid, self.name)
        try:
            sealed = record.env["secure.keyring"]._seal(Purpose.CONTENT, place, text)
        except KeysUnavailable:
            if _is_secure(record, values):
                raise
            return f"{PLAIN} {text}"
        return f"{SEALED} {uid} {sealed}"

    def _open(self, env, column):
        """What a column says; nothing when the key is missing, or for a row from before
        this module was installed."""
        how, _space, rest = (column or "").partition(" ")
        if how == PLAIN:
            return rest
        if how != SEALED:
            return None
        uid, _space, sealed = rest.partition(" ")
        place = (self.model_name, uid, self.name)
        try:
            return env["secure.keyring"]._open(Purpose.CONTENT, place, sealed)
        except KeysUnavailable:
            return None

    def _insert_cache(self, records, values):
        opened = [self._open(records.env, column) for column in values]
        return super()._insert_cache(records, opened)


class SealedChar(_Sealed, fields.Char):
    """A line of text."""


class SealedText(_Sealed, fields.Text):
    """Several lines of text."""


class SealedHtml(_Sealed, fields.Html):
    """Rich text."""
