"""Uploads that wait in a composer for their message, and how they end."""

import os
from contextlib import suppress

import psycopg2

from odoo import api, models
from odoo.exceptions import AccessError

from .ir_attachment import PENDING_MODELS

LOCK_PATIENCE = "2s"
"""How long to wait until nobody adds files; after that Odoo's own vacuum does it."""


class IrAttachmentPending(models.Model):
    _inherit = "ir.attachment"

    @api.model
    def _secure_pending(self, ids):
        """The current user's uploads among ``ids`` that wait for their message."""
        # sudo: narrowed to what this very user uploaded and did not send yet
        files = self.sudo().browse(ids).exists()
        return files.filtered(
            lambda file: file.res_model in PENDING_MODELS
            and (not file.res_id or file.res_model == "mail.compose.message")
            and file.create_uid.id == self.env.uid
        )

    def _secure_files(self):
        """(name, content) of pending files, sealed or not."""
        sealed = self._secure_among()
        return [
            (
                file._secure_file_name(),
                file._secure_data() if file in sealed else file.raw,
            )
            for file in self
        ]

    @api.model
    def _secure_take(self, ids):
        """Files of a composer as content of a secure message: the writer's own uploads
        are removed, what belongs elsewhere (a template's files) is only read.

        :return: list of (name, bytes), in order
        :raise AccessError: for files the current user may not read
        """
        pending = self._secure_pending(ids)
        others = self.browse(ids) - pending
        others.check_access("read")
        if others._secure_among():
            raise AccessError(self.env._("Files of conversations cannot be copied."))
        contents = {
            **{file.id: (file.name, file.raw) for file in others},
            **dict(zip(pending.ids, pending._secure_files(), strict=True)),
        }
        pending._secure_shred()
        return [contents[id_] for id_ in ids if id_ in contents]

    @api.model
    def _secure_unsealed(self, ids):
        """Ids to post as ordinary files in the place of ``ids``: a pending upload that
        was sealed, by a switch that is off again, is stored anew as it was.

        :return: list of int, in order
        """
        # sudo: only whether any is sealed; all fields at once, for Odoo reads the
        # same right after
        if not self.sudo().browse(ids).filtered("secure_uid"):
            return ids
        sealed = self._secure_pending(ids)._secure_among()
        sealed = sealed.filtered(lambda file: file.res_model == "mail.compose.message")
        clear = {}
        for file in sealed:
            head = file._secure_head()
            clear[file.id] = (
                self.with_context(secure_seal_files=False)
                .create(
                    {
                        "name": head["name"],
                        "raw": file._secure_data(),
                        "res_model": file.res_model,
                        "res_id": 0,
                    }
                )
                .id
            )
        sealed.unlink()
        return [clear.get(id_, id_) for id_ in ids]

    def _secure_shred(self):
        """Delete uploads, and after the commit their clear files at once: Odoo's own
        vacuum would leave those until the next day."""
        # sudo: own uploads, chosen by _secure_pending
        names = [name for name in self.sudo().mapped("store_fname") if name]
        self.sudo().unlink()
        if names:
            env = self.env

            @env.cr.postcommit.add
            def shred():
                with env.registry.cursor() as cr:
                    env(cr=cr)["ir.attachment"]._secure_remove_files(names)

    @api.model
    def _secure_remove_files(self, names):
        """Remove files of the filestore that no attachment has any more.

        In a transaction of its own: the lock must be its first statement, or it would
        not see the latest rows. Without the lock Odoo's vacuum will do it.
        """
        cr = self.env.cr
        try:
            cr.execute("SET LOCAL lock_timeout TO %s", [LOCK_PATIENCE])
            cr.execute("LOCK ir_attachment IN SHARE MODE")
        except psycopg2.errors.LockNotAvailable:
            cr.rollback()
            return
        cr.execute(
            "SELECT store_fname FROM ir_attachment WHERE store_fname = ANY(%s)", [names]
        )
        kept = {name for (name,) in cr.fetchall()}
        for name in set(names) - kept:
            with suppress(FileNotFoundError):
                os.unlink(self._full_path(name))
