"""Fields whose column holds ciphertext. Each says what a change of keys needs to know
to seal it anew, so that none is forgotten: ``secure.keyring`` goes by the fields alone.

Those of Odoo's own composers are to the ORM what they were: stored, computed, editable.
Only on their way into the column they are sealed, and opened on their way back into the
cache: the web client saves a composer before it sends, and rows live on in backups and
dead tuples.
"""

from odoo import fields
from odoo.tools import SQL

from ..tools.keyring import UID_BYTES, Place, Purpose, new_uid, text_head
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
    # sudo: how the template is sent, nothing of what it holds
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


class Resealable:
    """What a change of keys needs to know of a column that holds ciphertext."""

    sealed_start = ""
    """What stands before a ciphertext, when something does."""
    sealed_offset = 0
    """Where in the column the ciphertext begins."""

    @property
    def sealed_key(self):
        """(model, field, :class:`Purpose`) it is sealed for."""
        raise NotImplementedError

    def is_elsewhere(self, column, fingerprint):
        """Whether a column is sealed with another key than this."""
        if not column or not column.startswith(self.sealed_start):
            return False
        return not column.startswith(text_head(fingerprint), self.sealed_offset)

    def sealed_elsewhere(self, fingerprint):
        """SQL: :meth:`is_elsewhere`, without reading more than the column's start."""
        head = text_head(fingerprint)
        return SQL(
            "(starts_with(%(column)s, %(start)s) "
            "AND substr(%(column)s, %(place)s, %(size)s) <> %(head)s)",
            column=SQL.identifier(self.name),
            start=self.sealed_start,
            place=self.sealed_offset + 1,
            size=len(head),
            head=head,
        )

    def resealed(self, ring, uid, column):
        """The same content under the ring's first key, as the column holds it."""
        raise NotImplementedError


class SealedColumn(Resealable, fields.Text):
    """Ciphertext as ``secure.keyring._seal`` makes it; nobody has access to it."""

    copy = False
    groups = fields.NO_ACCESS
    prefetch = False

    sealed_purpose = Purpose.CONTENT
    sealed_place = None
    """The field in the :class:`Place` it is sealed for, when that is not its own name.
    """
    sealed_uid = "secure_uid"
    """The column with the random uid in that :class:`Place`; ``id`` where records have
    none."""

    @property
    def sealed_key(self):
        return self.model_name, self.sealed_place or self.name, self.sealed_purpose

    def resealed(self, ring, uid, column):
        place = Place(self.model_name, str(uid), self.sealed_place or self.name)
        return ring.reseal_text(self.sealed_purpose, place, column)


class _Sealed(Resealable):
    sealed_uid = None
    sealed_start = f"{SEALED} "
    sealed_offset = len(sealed_start) + UID_BYTES * 2 + 1

    @property
    def sealed_key(self):
        return self.model_name, self.name, Purpose.CONTENT

    def resealed(self, ring, _uid, column):
        how, uid, sealed = column.split(" ")
        place = Place(self.model_name, uid, self.name)
        return f"{how} {uid} {ring.reseal_text(Purpose.CONTENT, place, sealed)}"

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
