import base64
import gzip
import html
import io
import json
import logging
import os
import quopri
import zipfile
import zlib
from urllib.parse import quote

import requests

from odoo.tests import tagged
from odoo.tests.common import BlockedRequest
from odoo.tools import config, mute_logger

from odoo.addons.mail.models import mail_push

from .common import SecureCase
from .leaks import Needle, texts_in

PLANTED = "PLANTEDleak90210"
AWKWARD = 'PLANTED "é" <b>&\\leak'


@tagged("post_install", "-at_install")
class TestLeakScan(SecureCase):
    """The scan finds a planted leak of each kind; else its silence proves nothing."""

    def assertFound(self, scan, where, planted=PLANTED):
        self.assertIn((where, planted), scan.find([planted]))

    def plant(self, text):
        """In a text column."""
        self.contact.comment = "<p></p>"
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_partner SET comment = %s WHERE id = %s", [text, self.contact.id]
        )

    def test_nothing_is_found_where_nothing_is(self):
        with self.leak_scan() as scan:
            self.plant("PLANTED-leak")
            self.assertEqual(scan.find([PLANTED, AWKWARD]), [])

    # -- tables --------------------------------------------------------------------

    def test_text_column(self):
        with self.leak_scan() as scan:
            self.contact.comment = f"<p>{PLANTED}</p>"
            self.assertFound(scan, "public.res_partner")

    def test_json_column(self):
        with self.leak_scan() as scan:
            self.env["mail.template"].create({"name": PLANTED})
            self.assertFound(scan, "public.mail_template")

    def test_array_column(self):
        with self.leak_scan() as scan:
            self.env.cr.execute("CREATE TABLE planted AS SELECT ARRAY[%s]", [PLANTED])
            self.assertFound(scan, "public.planted")

    def test_bytea_column(self):
        kinds = {
            "plain": PLANTED.encode(),
            "gzip": gzip.compress(PLANTED.encode()),
            "utf-16": PLANTED.encode("utf-16"),
        }
        for kind, data in kinds.items():
            with self.subTest(kind=kind), self.leak_scan() as scan:
                self.env.cr.execute("DROP TABLE IF EXISTS planted")
                self.env.cr.execute(
                    "CREATE TABLE planted AS SELECT %s::bytea",
                    [b"- " + data] if kind == "plain" else [data],
                )
                self.assertFound(scan, "public.planted")

    def test_materialized_view_and_other_schema(self):
        with self.leak_scan() as scan:
            self.env.cr.execute("CREATE SCHEMA planted")
            self.env.cr.execute(
                "CREATE MATERIALIZED VIEW planted.planted AS SELECT %s AS x", [PLANTED]
            )
            self.assertFound(scan, "planted.planted")

    def test_partition_and_unlogged_table(self):
        with self.leak_scan() as scan:
            self.env.cr.execute("CREATE TABLE planted (x text) PARTITION BY HASH (x)")
            self.env.cr.execute(
                """CREATE UNLOGGED TABLE planted_0 PARTITION OF planted
                      FOR VALUES WITH (MODULUS 1, REMAINDER 0)"""
            )
            self.env.cr.execute("INSERT INTO planted VALUES (%s)", [PLANTED])
            self.assertFound(scan, "public.planted_0")

    def test_large_object(self):
        with self.leak_scan() as scan:
            self.env.cr.execute("SELECT lo_from_bytea(0, %s)", [PLANTED.encode()])
            self.assertFound(scan, "large objects")

    def test_written_before_the_scan_began(self):
        """What the test has written already is searched as well."""
        self.plant(PLANTED)
        with self.leak_scan() as scan:
            self.assertFound(scan, "public.res_partner")

    def test_written_by_another_transaction(self):
        with self.leak_scan() as scan, self.registry.cursor() as other:
            other.execute("CREATE TABLE planted AS SELECT %s AS x", [PLANTED])
            self.assertFound(scan, "public.planted")

    def test_every_form_in_text(self):
        for planted in (PLANTED, AWKWARD):
            data = planted.encode()
            forms = {
                "as such": planted,
                "upper case": planted.upper(),
                "lower case": planted.lower(),
                "html": html.escape(planted),
                "html, by numbers": "".join(f"&#{ord(char)};" for char in planted),
                "json": json.dumps({"x": planted}),
                "json in json": json.dumps(json.dumps({"x": planted})),
                "address": quote(planted),
                "quoted-printable": quopri.encodestring(data).decode(),
                "quoted-printable, broken": f"{planted[:5]}=\n{planted[5:]}",
                "broken over lines": f"{planted[:5]}\r\n {planted[5:]}",
                "hex": data.hex(),
                "hex, upper case": data.hex().upper(),
                "hex of utf-16": planted.encode("utf-16-le").hex(),
                "base64 of utf-16": base64.b64encode(planted.encode("utf-16")).decode(),
                "base64 of gzip": base64.b64encode(gzip.compress(data * 3)).decode(),
                "base64 of zlib": base64.b64encode(zlib.compress(data * 3)).decode(),
                "base64 over lines": base64.encodebytes(b"-" * 60 + data).decode(),
                **{
                    f"base64 at {offset}": base64.b64encode(
                        b"-" * offset + data + b"--"
                    ).decode()
                    for offset in range(3)
                },
            }
            for form, text in forms.items():
                with self.subTest(planted=planted, form=form):
                    with self.leak_scan() as scan:
                        self.plant(text)
                        found = scan.find([planted])
                        self.assertTrue(found, (form, text))

    # -- files ---------------------------------------------------------------------

    def test_files(self):
        data = PLANTED.encode()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("document.xml", PLANTED)
        forms = {
            "as such": b"-" + data,
            "hex": data.hex().encode(),
            "base64": base64.b64encode(b"-" + data),
            "gzip": gzip.compress(data),
            "gzip of gzip": gzip.compress(gzip.compress(data)),
            "zlib": zlib.compress(data),
            "zip": archive.getvalue(),
            "utf-16": PLANTED.encode("utf-16"),
            "utf-16, the other way round": PLANTED.encode("utf-16-be"),
            "base64 of gzip": base64.b64encode(gzip.compress(data * 3)),
        }
        folders = {
            "filestore": config.filestore(self.env.cr.dbname),
            "sessions": config.session_dir,
        }
        for where, folder in folders.items():
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, "planted-by-a-test")
            for form, content in forms.items():
                with self.subTest(where=where, form=form), self.leak_scan() as scan:
                    try:
                        with open(path, "wb") as stream:
                            stream.write(content)
                        self.assertFound(scan, where)
                    finally:
                        os.unlink(path)

    def test_file_name(self):
        folder = config.filestore(self.env.cr.dbname)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, PLANTED)
        self.addCleanup(os.unlink, path)
        with self.leak_scan() as scan:
            with open(path, "w"):
                pass
            self.assertFound(scan, "filestore")

    def test_attachment(self):
        """Also one with a content that is in the filestore from an earlier test."""
        for _time in range(2):
            with self.leak_scan() as scan:
                file = self.env["ir.attachment"].create(
                    {"name": "x", "raw": PLANTED.encode()}
                )
                self.assertFound(scan, "filestore")
                file.flush_recordset()

    # -- what passes by --------------------------------------------------------------

    def test_bus(self):
        with self.leak_scan() as scan:
            self.sender._bus_send("planted", {"text": PLANTED})
            self.assertFound(scan, "public.bus_bus")

    def test_push(self):
        with self.leak_scan() as scan:
            device = (
                self.env["mail.push.device"]
                .sudo()
                .create(
                    {
                        "partner_id": self.sender.partner_id.id,
                        "endpoint": "https://push.example/1",
                        "keys": "{}",
                    }
                )
            )
            self.env["mail.push"].sudo().create(
                {"mail_push_device_id": device.id, "payload": PLANTED}
            )
            self.assertFound(scan, "public.mail_push")

    def test_push_that_leaves(self):
        with self.leak_scan() as scan, self.gateways():
            self.push_to_end_point_mocked(payload=json.dumps({"body": PLANTED}))
        self.assertFound(scan, "push")
        with self.leak_scan() as scan:
            self.assertRaises(TypeError, mail_push.push_to_end_point, payload=PLANTED)
            self.assertFound(scan, "push")

    def test_log(self):
        logger = logging.getLogger("odoo.planted")
        with self.leak_scan() as scan:
            logger.info("before %s after", PLANTED)
            self.assertFound(scan, "log")
        with self.leak_scan() as scan, mute_logger("odoo.planted"):
            logger.info("muted, and still read: %s", PLANTED)
            self.assertFound(scan, "log")
        with self.leak_scan() as scan, mute_logger("odoo.planted"):
            try:
                raise ValueError(PLANTED)
            except ValueError:
                logger.exception("in a traceback")
            self.assertFound(scan, "log")

    def test_email(self):
        """Whatever a test sends is searched, in the body, the headers and the files."""
        for values in (
            {"body_html": f"<p>{PLANTED}</p>"},
            {"subject": f"é {PLANTED}"},
            {"headers": repr({"X-Planted": PLANTED})},
            {"attachment_ids": [(0, 0, {"name": "x", "raw": PLANTED.encode()})]},
            {"attachment_ids": [(0, 0, {"name": PLANTED, "raw": b"x"})]},
        ):
            with self.subTest(values=values), self.leak_scan() as scan:
                with self.gateways():
                    mail = self.env["mail.mail"].create(
                        {"email_to": "x@client.example", "subject": "x", **values}
                    )
                    mail.send()
                    self.assertEqual(len(self._mails), 1)
                self.assertFound(scan, "mail")

    def test_sms(self):
        with self.leak_scan() as scan, self.gateways():
            self.env["sms.sms"].create(
                {"number": "+32470123456", "body": PLANTED}
            ).send()
            self.assertEqual(len(self._sms), 1)
            self.assertFound(scan, "sms")

    def test_request_to_elsewhere(self):
        for where in ("params", "data", "json", "headers"):
            value = {"x": PLANTED}
            with self.subTest(where=where), self.leak_scan() as scan:
                with self.assertRaises(BlockedRequest):
                    requests.post(
                        "https://elsewhere.example/", timeout=10, **{where: value}
                    )
                self.assertFound(scan, "http")

    def test_a_link_may_leave_but_not_be_kept(self):
        with self.leak_scan() as scan:
            self.send()
            self.assertNoLeak(scan, self.token)
            self.plant(self.token)
            self.assertFound(scan, "public.res_partner", self.token)

    def test_noted_by_a_test(self):
        with self.leak_scan() as scan:
            scan.add_left("elsewhere", f"before {PLANTED} after")
            self.assertFound(scan, "elsewhere")


@tagged("post_install", "-at_install")
class TestForms(SecureCase):
    def test_of_a_pin(self):
        needle = Needle("839174")
        for text in (
            "839174",
            "PIN: 839 174",
            base64.b64encode(b'{"pin": "839174"}').decode(),
        ):
            self.assertTrue(needle.is_in(text), text)
        self.assertFalse(needle.is_in("839 175"))

    def test_what_cannot_be_unpacked_is_passed_over(self):
        for data in (b"\x1f\x8bno", b"\x78no", b"PK\x03\x04no", b"", b"\0"):
            self.assertTrue(list(texts_in(data)))

    def test_digits_that_stand_somewhere_by_chance(self):
        """In digests, long numbers and bytes as PostgreSQL writes them."""
        needle = Needle("839174")
        for text in (
            "cookie_hash 1f0c9a6b839174d2e4457c",
            "<791548391743841.1795346015.666285991668701-openerp@practice>",
            "boundary================4839174241943763114==",
            "+32 470 83 91 74",
            '{"create_time": 1795346015.839174}',
            r"\x30a17839174c2f5e90",
            "2026-11-22 10:11:12.839174",
        ):
            self.assertFalse(needle.is_in(text), text)
        for text in (
            "code839174",
            "a839174b",
            "(1,839174,2)",
            "8391 74",
            '{"pin": "839174"}',
            "pin=839174&x=1f0c9a6bd2e4457c",
            "%38%33%39%31%37%34",
            r"\x2d2d3833393137342d2d",
            "x" + b"839174".hex(),
        ):
            self.assertTrue(needle.is_in(text), text)
        longer = "839174205613"
        self.assertTrue(Needle(longer).is_in(f"1f0c9a6b{longer}d2e4457c"))
