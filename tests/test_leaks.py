import base64
import logging
import os

from odoo.tests import tagged
from odoo.tools import config

from .common import SecureCase
from .leaks import disguises

PLANTED = "PLANTEDleak90210"


@tagged("post_install", "-at_install")
class TestLeakScan(SecureCase):
    """The scan finds a planted leak of each kind; else its silence proves nothing."""

    def assertFound(self, scan, where):
        self.assertIn((where, PLANTED), scan.find([PLANTED]))

    def test_text_column(self):
        with self.leak_scan() as scan:
            self.contact.comment = f"<p>{PLANTED}</p>"
            self.assertFound(scan, "public.res_partner")

    def test_json_column(self):
        with self.leak_scan() as scan:
            self.env["mail.template"].create({"name": PLANTED})
            self.assertFound(scan, "public.mail_template")

    def test_bytea_column(self):
        with self.leak_scan() as scan:
            self.env.cr.execute(
                """INSERT INTO ir_attachment (name, type, db_datas)
                        VALUES ('x', 'binary', %s)""",
                [f"before{PLANTED}after".encode()],
            )
            self.assertFound(scan, "public.ir_attachment")

    def test_base64_at_each_offset(self):
        for offset in range(3):
            with self.subTest(offset=offset), self.leak_scan() as scan:
                data = b"-" * offset + PLANTED.encode() + b"--"
                self.contact.comment = base64.b64encode(data).decode()
                self.assertFound(scan, "public.res_partner")

    def test_filestore(self):
        folder = config.filestore(self.env.cr.dbname)
        path = os.path.join(folder, "planted-by-a-test")
        self.addCleanup(os.unlink, path)
        with self.leak_scan() as scan:
            os.makedirs(folder, exist_ok=True)
            with open(path, "w") as stream:
                stream.write(PLANTED)
            self.assertFound(scan, "filestore")

    def test_bus(self):
        with self.leak_scan() as scan:
            self.sender._bus_send("planted", {"text": PLANTED})
            self.env.cr.precommit.run()
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

    def test_log(self):
        with self.leak_scan() as scan:
            logging.getLogger("odoo.planted").info("before %s after", PLANTED)
            self.assertFound(scan, "log")

    def test_left(self):
        with self.leak_scan() as scan:
            scan.add_left("mail", f"before {PLANTED} after")
            self.assertFound(scan, "mail")

    def test_disguises_hold_the_text(self):
        self.assertIn(PLANTED.encode().hex(), disguises(PLANTED))
