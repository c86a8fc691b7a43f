"""No road leads to a file, ours or anybody's, but the one with rights."""

import io
import zipfile

from odoo.exceptions import AccessError
from odoo.http import Request
from odoo.tests import tagged
from odoo.tools.misc import limited_field_access_token

from .common import CANARY_FILE, CANARY_FILE_NAME, SecureCase

FOREIGN = "FOREIGNprivate4242"


@tagged("post_install", "-at_install")
class TestFileRoads(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.foreign = cls.env["ir.attachment"].create(
            {
                "name": "foreign.txt",
                "raw": FOREIGN.encode(),
                "res_model": "res.company",
                "res_id": cls.env["res.company"].create({"name": "Elsewhere"}).id,
            }
        )
        cls.foreign.res_model = "ir.cron"
        cls.foreign.res_id = cls.env.ref("mail.ir_cron_mail_scheduler_action").id

    def setUp(self):
        super().setUp()
        self.sent = self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        self.ours = self.sent.message.attachment_ids
        self.assertEqual(len(self.ours), 1)

    def outsiders(self):
        return (None, self.portal.login, self.clerk.login, self.colleague.login)

    def roads(self, file):
        """All of Odoo's public addresses for a file."""
        id_ = file.id
        return (
            f"/web/content/{id_}",
            f"/web/content/{id_}?download=1",
            f"/web/content/ir.attachment/{id_}/raw",
            f"/web/content/ir.attachment/{id_}/datas",
            f"/web/content/ir.attachment/{id_}/db_datas",
            f"/web/image/{id_}",
            f"/web/image/{id_}?filename=x.png",
            f"/web/image/ir.attachment/{id_}/raw/64x64",
            f"/mail/attachment/pdf_first_page/{id_}",
        )

    def assertNothing(self, response, where):
        """Neither clear text nor ciphertext."""
        ciphertext = self.ours.sudo().raw
        for text in (CANARY_FILE, FOREIGN, CANARY_FILE_NAME):
            self.assertNotIn(text.encode(), response.content, where)
        self.assertNotIn(ciphertext, response.content, where)
        self.assertNotIn(ciphertext[9:40], response.content, where)

    def test_statement_36_outsiders_get_nothing_by_address(self):
        for login in self.outsiders():
            self.authenticate(login, login and f"{login}-{login}")
            for file in (self.ours, self.foreign):
                for road in self.roads(file):
                    with self.subTest(login=login, road=road):
                        self.assertNothing(self.url_open(road), road)

    def test_statement_36_outsiders_get_nothing_by_zip(self):
        for login in self.outsiders():
            self.authenticate(login, login and f"{login}-{login}")
            for file in (self.ours, self.foreign):
                with self.subTest(login=login, file=file):
                    response = self.url_open(
                        "/mail/attachment/zip",
                        data={
                            "csrf_token": Request.csrf_token(self),
                            "file_ids": str(file.id),
                            "zip_name": "x.zip",
                        },
                    )
                    self.assertEqual(response.status_code, 403)
                    self.assertNothing(response, "zip")

    def test_statement_36_tokens_open_nothing_of_ours(self):
        """Neither one that got into the row, nor those Odoo signs for a while."""
        token = self.env["ir.attachment"]._generate_access_token()
        self.env.cr.execute(
            "UPDATE ir_attachment SET access_token = %s WHERE id = %s",
            [token, self.ours.id],
        )
        signed = [
            limited_field_access_token(self.ours, field, scope=scope)
            for field, scope in (
                ("raw", "binary"),
                ("datas", "binary"),
                ("thumbnail", "binary"),
                ("id", "attachment_ownership"),
            )
        ]
        for login in (None, self.portal.login, self.clerk.login):
            self.authenticate(login, login and f"{login}-{login}")
            for value in (token, *signed):
                for road in self.roads(self.ours):
                    separator = "&" if "?" in road else "?"
                    response = self.url_open(f"{road}{separator}access_token={value}")
                    self.assertNothing(response, road)

    def test_a_token_of_ours_opens_nothing_of_others(self):
        self.authenticate(None, None)
        token = limited_field_access_token(self.ours, "raw", scope="binary")
        for road in self.roads(self.foreign):
            separator = "&" if "?" in road else "?"
            response = self.url_open(f"{road}{separator}access_token={token}")
            self.assertNothing(response, road)

    def test_statement_43_which_files_are_sealed_is_not_told(self):
        """Odoo's own refusal, as of any file one may not read."""
        for user in (self.clerk, self.portal):
            self.env.invalidate_all()
            with self.assertRaises(AccessError) as refusal:
                self.ours.with_user(user).generate_access_token()
            self.assertNotIn("shared by link", str(refusal.exception))

    def test_statement_36_no_tokens_are_made(self):
        self.assertFalse(self.ours._get_raw_access_token())
        self.assertFalse(self.ours._get_thumbnail_token())
        with self.assertRaises(AccessError):
            self.ours.generate_access_token()

    def test_sender_downloads_clear(self):
        self.authenticate("sender", "sender-sender")
        response = self.url_open(f"/web/content/{self.ours.id}?download=1")
        self.assertEqual(response.content, CANARY_FILE.encode())
        self.assertIn(CANARY_FILE_NAME, response.headers["Content-Disposition"])
        response = self.url_open(
            "/mail/attachment/zip",
            data={
                "csrf_token": Request.csrf_token(self),
                "file_ids": str(self.ours.id),
                "zip_name": "x.zip",
            },
        )
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            self.assertEqual(archive.namelist(), [CANARY_FILE_NAME])
            self.assertEqual(archive.read(CANARY_FILE_NAME), CANARY_FILE.encode())

    def test_reads_give_ciphertext_and_placeholder(self):
        for user in (self.sender, self.manager):
            file = self.ours.with_user(user)
            [values] = file.read(
                ["name", "raw", "mimetype", "index_content", "description"]
            )
            self.assertNotIn(CANARY_FILE.encode(), values["raw"])
            self.assertEqual(values["name"], "secure-file")
            self.assertEqual(values["mimetype"], "application/octet-stream")
            self.assertFalse(values["index_content"] or values["description"])

    def test_outsiders_cannot_read_by_rpc(self):
        for user in (self.portal, self.clerk, self.colleague):
            for file in (self.ours, self.foreign):
                files = self.env["ir.attachment"].with_user(user)
                with self.subTest(user=user.login, file=file.name):
                    for field in ("raw", "datas", "name", "secure_display_name"):
                        with self.assertRaises(AccessError):
                            files.browse(file.id).read([field])
                    self.assertFalse(files.search([("id", "=", file.id)]))

    def test_sealed_columns_are_for_nobody(self):
        for field in ("secure_uid", "secure_name", "secure_mimetype"):
            with self.assertRaises(AccessError):
                self.ours.with_user(self.manager).read([field])

    def test_files_stay_as_they_are(self):
        file = self.ours.with_user(self.manager)
        for values in (
            {"raw": b"x"},
            {"name": "x"},
            {"public": True},
            {"res_model": "res.partner", "res_id": self.contact.id},
        ):
            with self.subTest(values=values), self.assertRaises(AccessError):
                file.write(values)
        with self.assertRaises(AccessError):
            file.copy()
        with self.assertRaises(AccessError):
            self.foreign.sudo().write(
                {"res_model": "secure.thread", "res_id": self.sent.thread.id}
            )

    def test_upload_in_chatter_is_sealed_as_it_arrives(self):
        self.authenticate("sender", "sender-sender")
        with self.leak_scan() as scan:
            response = self.url_open(
                "/mail/attachment/upload",
                data={
                    "csrf_token": Request.csrf_token(self),
                    "thread_id": self.sent.thread.id,
                    "thread_model": "secure.thread",
                    "is_pending": "true",
                },
                files={"ufile": (CANARY_FILE_NAME, CANARY_FILE.encode(), "text/plain")},
            )
            data = response.json()["data"]
            [shown] = data["store_data"]["ir.attachment"]
            self.assertEqual(shown["name"], CANARY_FILE_NAME)
            self.assertEqual(shown["file_size"], len(CANARY_FILE))
            self.assertNoLeak(scan)
            with self.gateways():
                message = self.sent.thread.with_user(self.sender).message_post(
                    body="with file",
                    message_type="comment",
                    subtype_xmlid="mail.mt_comment",
                    attachment_ids=[data["attachment_id"]],
                )
            [file] = message.sudo().attachment_ids
            self.assertEqual(file._secure_data(), CANARY_FILE.encode())
            self.assertFalse(self._mails[0]["attachments"])
            self.assertNoLeak(scan)

    def test_colleague_cannot_take_a_pending_upload(self):
        pending = (
            self.env["ir.attachment"]
            .with_user(self.sender)
            .create(
                {
                    "name": CANARY_FILE_NAME,
                    "raw": CANARY_FILE.encode(),
                    "res_model": "secure.compose",
                }
            )
        )
        self.assertFalse(
            self.env["ir.attachment"]
            .with_user(self.colleague)
            ._secure_pending(pending.ids)
        )
        self.assertFalse(pending.with_user(self.colleague)._secure_readable())
        self.assertTrue(pending.with_user(self.sender)._secure_readable())
