import base64

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.http import Stream
from odoo.tools import clean_context

from odoo.addons.mail.tools.discuss import Store

from ..tools import content, keyring, own_code
from ..tools.keyring import Place, Purpose, new_uid
from .sealed_fields import SealedColumn

SEALED_MODELS = frozenset({"secure.thread", "secure.compose", "secure.dispatch"})
"""Files of these are sealed as they arrive."""
READ_INSIDE = ("secure.thread", "secure.dispatch")
"""Who may read one of these reads its files. None but own code adds to them."""
PENDING_MODELS = ("secure.compose", "mail.compose.message")
SEALED_FIELDS = frozenset({"secure_uid", "secure_name", "secure_mimetype"})
FROZEN_FIELDS = SEALED_FIELDS | frozenset(
    {
        "access_token",
        "datas",
        "db_datas",
        "mimetype",
        "name",
        "public",
        "raw",
        "res_id",
        "res_model",
        "thumbnail",
        "type",
        "url",
    }
)


class IrAttachment(models.Model):
    """Files of conversations: ``raw`` is ciphertext for everyone.

    Copies, exports, zip files, indexers and mails only ever see that. In every
    override here, access is checked as the caller before any ``sudo()``: a read as
    superuser fills the cache that all environments share, and Odoo's public zip route
    is guarded by nothing but the failing read of what is not there.
    """

    _inherit = "ir.attachment"

    secure_uid = fields.Char(copy=False, groups=fields.NO_ACCESS)
    secure_name = SealedColumn(
        sealed_purpose=Purpose.FILES, sealed_place="name", prefetch=True
    )
    secure_mimetype = SealedColumn(
        sealed_purpose=Purpose.FILES, sealed_place="mimetype", prefetch=True
    )
    secure_display_name = fields.Char("File Name", compute="_compute_secure_display")
    secure_display_type = fields.Char("File Type", compute="_compute_secure_display")

    # -- sealing ---------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        """Seal what is for a conversation. What else stands in the same call is left to
        Odoo, under the caller's own rights."""
        for vals in vals_list:
            self._check_enters_with_message(vals)
        sealed = [self._is_for_conversation(vals) for vals in vals_list]
        if not any(sealed):
            return super().create(vals_list)
        ours = [vals for vals, flag in zip(vals_list, sealed, strict=True) if flag]
        rest = [vals for vals, flag in zip(vals_list, sealed, strict=True) if not flag]
        self._check_create(ours)
        # sudo: the sealed columns are for nobody; what Odoo checks was checked above,
        # without what defaults of the context would add
        own = self.with_env(self.env(su=True, context=clean_context(self.env.context)))
        files = super(IrAttachment, own).create([*map(self._sealed_values, ours)])
        made = iter(files.ids), iter(super().create(rest).ids if rest else [])
        return self.browse([next(made[0 if flag else 1]) for flag in sealed])

    @api.model
    def _check_enters_with_message(self, vals):
        """Only ``secure.thread._send`` puts files into a conversation, only
        ``secure.dispatch`` into a planned send, and nobody brings a ciphertext along to
        have it opened."""
        if own_code.is_own(self.env):
            return
        into = self._vals_model(vals)
        brought = {*vals, *(key.removeprefix("default_") for key in self.env.context)}
        if into not in READ_INSIDE and not SEALED_FIELDS & brought:
            return
        raise AccessError(self.env._("Files enter a conversation with a message only."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_secure(self):
        """What was sent stays; what waits to be sent may go, with who uploaded it."""
        if self.env.uid == api.SUPERUSER_ID:
            return
        if self._secure_among().filtered(
            lambda file: file.res_model == "secure.thread"
        ):
            raise AccessError(self.env._("Files of conversations cannot be deleted."))

    @api.model
    def _vals_model(self, vals):
        """Which model new values are for; a client may say so in the context."""
        return vals.get("res_model") or self.env.context.get("default_res_model")

    @api.model
    def _is_for_conversation(self, vals):
        """The context key only ever adds protection."""
        asked = self.env.context.get("secure_seal_files")
        return bool(asked) or self._vals_model(vals) in SEALED_MODELS

    @api.model
    def _check_create(self, vals_list):
        if self.env.su:
            return
        self.check_access("create")
        owners = {}
        for vals in vals_list:
            owners.setdefault(self._vals_model(vals), set()).add(vals.get("res_id"))
        if any(self._inaccessible_comodel_records(owners, "write")):
            raise AccessError(
                self.env._("Sorry, you are not allowed to add files here.")
            )

    def write(self, vals):
        """Keep sealed files as they are, and inside."""
        self.check_access("write")
        secure = self._secure_among()
        if secure and FROZEN_FIELDS & vals.keys():
            raise AccessError(self.env._("Files of conversations cannot be changed."))
        if vals.get("res_model") in SEALED_MODELS and secure != self:
            raise AccessError(
                self.env._("Files enter a conversation with a message only.")
            )
        return super().write(vals)

    def copy_data(self, default=None):
        data = super().copy_data(default=default)
        if self._secure_among():
            raise AccessError(self.env._("Files of conversations cannot be copied."))
        return data

    @api.model
    def _sealed_values(self, vals):
        """New values with name, type and content sealed."""
        data = vals.get("raw") or base64.b64decode(vals.get("datas") or b"")
        data = data.encode() if isinstance(data, str) else data
        name = content.clean_file_name(vals.get("name"))
        uid = new_uid()
        ring = self.env["secure.keyring"]._sealing_ring()
        return {
            "name": content.FILE_PLACEHOLDER,
            "mimetype": content.OPAQUE_TYPE,
            "raw": ring.seal(Purpose.FILES, _place(uid, "raw"), data),
            "res_model": self._vals_model(vals),
            "res_id": vals.get("res_id"),
            "secure_uid": uid,
            "secure_name": ring.seal_text(Purpose.FILES, _place(uid, "name"), name),
            "secure_mimetype": ring.seal_text(
                Purpose.FILES, _place(uid, "mimetype"), content.file_type(name, data)
            ),
        }

    def _check_contents(self, values):
        """Ciphertext is never resized, renamed or looked into."""
        if values.get("secure_uid"):
            return values
        return super()._check_contents(values)

    # -- opening ---------------------------------------------------------------

    def _secure_among(self):
        """The sealed ones, as superuser. For callers that have checked access."""
        # A name that was read before spares the query for all ordinary files
        marked = self.filtered(
            lambda file: file._cache.get("name", content.FILE_PLACEHOLDER)
            == content.FILE_PLACEHOLDER
        )
        # sudo: told is only which ones are sealed
        # prefetch_fields: what is read here must not stand in the shared cache
        return marked.sudo().with_context(prefetch_fields=False).filtered("secure_uid")

    def _secure_readable(self):
        """Sealed files among these that the current user may see in clear: those of
        readable conversations and sends, and one's own pending uploads."""
        allowed = self._filtered_access("read")
        secure = allowed._secure_among()
        if not secure or not self.env.user._is_internal():
            return secure.browse()
        open_ = secure.filtered(
            lambda file: not file.res_id and file.create_uid.id == self.env.uid
        )
        for model in READ_INSIDE:
            stored = secure.filtered(
                lambda file, model=model: file.res_model == model and file.res_id
            )
            owners = self.env[model].browse(set(stored.mapped("res_id")))
            readable = set(owners._filtered_readable().ids)
            open_ |= stored.filtered(lambda file, ids=readable: file.res_id in ids)
        # Alone, lest reading them fetches others into the cache that all share
        return open_.with_prefetch()

    @api.depends("name", "mimetype")
    @api.depends_context("uid")
    def _compute_secure_display(self):
        """Real name and type of a sealed file for who may read it, else the stored."""
        readable = self._origin.sudo(False)._secure_readable()
        heads = {file.id: file._secure_head() for file in readable}
        for file in self:
            head = heads.get(file._origin.id, file)
            file.secure_display_name = head["name"]
            file.secure_display_type = head["mimetype"]

    def _secure_head(self):
        """Clear name, type and size. Whoever calls has checked who will read it."""
        ring = self.env["secure.keyring"]._ring()
        # sudo: the columns are for nobody; the caller has checked who reads
        place = _place(self.sudo().secure_uid, "name")
        name = ring.open_text(Purpose.FILES, place, self.sudo().secure_name)
        place = _place(self.sudo().secure_uid, "mimetype")
        mimetype = ring.open_text(Purpose.FILES, place, self.sudo().secure_mimetype)
        size = self.sudo().file_size - keyring.OVERHEAD_BYTES
        return {"name": name, "mimetype": mimetype, "file_size": max(size, 0)}

    def _secure_file_name(self):
        """Clear name, of a sealed file or any other. The caller has checked."""
        return self._secure_head()["name"] if self._secure_among() else self.name

    def _secure_data(self):
        """Clear content. Whoever calls has checked who will read it."""
        ring = self.env["secure.keyring"]._ring()
        # sudo: as in `_secure_head`
        file = self.sudo()
        return ring.open(Purpose.FILES, _place(file.secure_uid, "raw"), file.raw)

    # -- roads out -------------------------------------------------------------

    def _to_http_stream(self):
        """Clear content for staff who may read the conversation, else nothing."""
        self.ensure_one()
        self.check_access("read")
        if not self._secure_among():
            return super()._to_http_stream()
        # Odoo's routes come here with sudo() after accepting a token: ask the user
        if not self.sudo(False)._secure_readable():
            raise AccessError(self.env._("This file is not yours to read."))
        return self._secure_stream()

    def _secure_stream(self):
        """Clear content on its way to a browser, which is told few types and keeps no
        copy. Whoever calls has checked who will read it."""
        head = self._secure_head()
        data = self._secure_data()
        return Stream(
            type="data",
            data=data,
            size=len(data),
            mimetype=content.served_type(head["mimetype"]),
            download_name=head["name"],
            etag=False,
            conditional=False,
            public=False,
        )

    def _to_store(self, store, fields):
        """Show name, type and size to who may read the conversation."""
        store.add_records_fields(self, fields)
        if "name" not in fields or store.target.channel is not None:
            return
        for file in self.sudo(False)._secure_readable():
            head = file._secure_head()
            store.add_records_fields(
                file,
                [
                    *(Store.Attr(key, value) for key, value in head.items()),
                    Store.Attr("secure_sealed", True),
                ],
            )

    def _get_raw_access_token(self):
        return False if self._secure_among() else super()._get_raw_access_token()

    def _get_thumbnail_token(self):
        return False if self._secure_among() else super()._get_thumbnail_token()

    def generate_access_token(self):
        """Refuse what would open a file without looking at who asks."""
        self.check_access("read")
        if self._secure_among():
            raise AccessError(
                self.env._("Files of conversations cannot be shared by link.")
            )
        return super().generate_access_token()


def _place(uid, field):
    return Place("ir.attachment", uid, field)
