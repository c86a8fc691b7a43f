"""Pictures in a text: part of it, sealed with it, and of nobody else's."""

import base64
import io

from PIL import Image

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..tools import limits
from .common import CANARY, SecureCase, Visitor

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00"
GIF += b"\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
LEFT_OUT = "(A picture was left out here)"


def png(side=8, noise=False):
    image = Image.new("RGB", (side, side), (200, 30, 30))
    if noise:
        image = Image.effect_noise((side, side), 120).convert("RGB")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def data_uri(data, mimetype="image/png"):
    return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"


@tagged("post_install", "-at_install")
class TestPictures(SecureCase):
    def attachment(self, data, user=None, **values):
        """A picture as Odoo's editor uploads it for a text."""
        file = {"name": "picture.png", "raw": data, "res_model": "mail.compose.message"}
        files = self.env["ir.attachment"].with_user(user or self.sender)
        return files.create({**file, **values})

    def page(self, body, **values):
        """A text as the contact gets to see it."""
        self.sent = self.send(body=f"<p>{CANARY} {body}</p>", **values)
        visitor = Visitor(self)
        visitor.open_gate(self.token)
        self.assertIn(CANARY, visitor.text)
        return visitor.text

    def test_in_the_text_itself(self):
        for data, mimetype in ((png(), "image/png"), (GIF, "image/gif")):
            uri = data_uri(data, mimetype)
            self.assertIn(uri, self.page(f'<img src="{uri}" alt="x"/>'))

    def test_documents_with_scripts_are_no_pictures(self):
        for mimetype in ("image/svg+xml", "text/html", "application/xhtml+xml"):
            with self.subTest(mimetype=mimetype):
                text = self.page(f'<img src="{data_uri(SVG, mimetype)}" alt="x"/>')
                self.assertNotIn(base64.b64encode(SVG).decode()[:40], text)
                self.assertNotIn("<svg xmlns", text)
        name = self.attachment(SVG, name="x.svg")
        self.assertIn(LEFT_OUT, self.page(f'<img src="/web/image/{name.id}"/>'))

    def test_by_address_they_come_along_sealed(self):
        """A private file stays private: no token, not public, and nobody's address."""
        data = png()
        file = self.attachment(data)
        base = self.company.get_base_url()
        for address in (
            f"/web/image/{file.id}",
            f"/web/image/{file.id}-a1b2/picture.png?x=1",
            f"{base}/web/image/{file.id}",
            f"/web/image/ir.attachment/{file.id}/raw",
            f"/web/content/{file.id}",
        ):
            with self.subTest(address=address), self.leak_scan() as scan:
                text = self.page(f'<img src="{address}" alt="seal"/>')
                self.assertIn(data_uri(data), text)
                self.assertNotIn("/web/image", text)
                self.assertNotIn("/web/content", text)
                self.assertNoLeak(scan, self.token)
        self.assertFalse(file.public or file.access_token)

    def test_preview_shows_what_will_be_seen(self):
        file = self.attachment(png())
        body = (
            f'<p><img src="/web/image/{file.id}"/><img src="https://x.example/"/></p>'
        )
        pages = self.env["secure.page"].with_user(self.sender)
        shown = pages._preview(self.company, self.contact, "Subject", body, [])
        self.assertIn(data_uri(png()), shown)
        self.assertIn(LEFT_OUT, shown)

    def test_statement_07_no_number_in_a_text_opens_a_file(self):
        """A client writes to us `<img src="/web/image/78">`, staff quote it in their
        answer: numbers count up, and what its sender may read is not the client's."""
        other = self.send(
            attachments=[("x.png", png())], partner=self.other_contact, user=self.sender
        )
        files = self.env["ir.attachment"]
        of_contact = {"res_model": "res.partner", "res_id": self.other_contact.id}
        self.other_contact.image_1920 = base64.b64encode(png())
        foreign = (
            other.message.sudo().attachment_ids,
            self.attachment(png(), user=self.manager),
            self.attachment(png(), user=self.manager, res_model="secure.compose"),
            self.attachment(png(), user=self.env.ref("base.user_admin"), **of_contact),
            self.attachment(png(), user=self.env.ref("base.user_root")),
            files.with_user(self.sender).create({"name": "x.png", "raw": png()}),
            files.sudo().search(
                [
                    *((name, "=", value) for name, value in of_contact.items()),
                    ("res_field", "=", "image_1920"),
                ]
            ),
        )
        for file in foreign:
            for query in ("", "?access_token=x"):
                with self.subTest(file=file.sudo().res_model, query=query):
                    text = self.page(
                        f'before <img src="/web/image/{file.id}{query}" alt="Seal"/>'
                        f' after <img width="1" src="/web/image/{file.id}{query}"/>'
                    )
                    self.assertNotIn("data:image/png", text)
                    self.assertIn(f"before {LEFT_OUT} Seal", text)
            self.assertFalse(file.sudo().public or file.sudo().access_token)

    def test_fields_of_records_that_anybody_may_see(self):
        """A company's logo; no contact's picture, whoever sends."""
        self.company.logo = base64.b64encode(png(16))
        self.other_contact.image_1920 = base64.b64encode(png())
        picture = f"/web/image/res.partner/{self.other_contact.id}/image_128"
        for user in (self.env.ref("base.user_root"), self.manager):
            with self.subTest(user=user.login):
                text = self.page(
                    f'<img src="/web/image/res.company/{self.company.id}/logo"/>'
                    f'<img alt="Otto" src="{picture}"/>',
                    user=user,
                )
                self.assertEqual(text.count("data:image/png"), 1)
                self.assertIn(f"{LEFT_OUT} Otto", text)

    def test_files_named_with_their_token(self):
        """As Odoo's editor names what it uploads for templates and signatures."""
        admin = self.env.ref("base.user_admin")
        file = self.attachment(
            png(), user=admin, res_model="res.partner", res_id=self.contact.id
        )
        [token] = file.with_user(admin).generate_access_token()
        for user in (self.env.ref("base.user_root"), self.sender):
            address = f"/web/image/{file.id}?access_token={token}"
            text = self.page(f'<img src="{address}"/>', user=user)
            self.assertIn(data_uri(png()), text)
            self.assertNotIn(token, text)

    def test_uploaded_for_this_text_though_sealed(self):
        file = self.attachment(png(), res_model="secure.compose")
        self.assertTrue(file.sudo().secure_uid)
        self.assertIn(data_uri(png()), self.page(f'<img src="/web/image/{file.id}"/>'))

    def test_what_the_system_sends_shows_what_anybody_may_see(self):
        """OdooBot, who sends for automations, may read all: a text filled in from a
        record must not fetch a file by its number."""
        private = self.attachment(png())
        shared = self.attachment(png(16), public=True)
        for user in (self.env.ref("base.user_root"), self.sender):
            with self.subTest(user=user.login):
                text = self.page(
                    f'<img src="/web/image/{private.id}"/>'
                    f'<img src="/web/image/{shared.id}"/>',
                    user=user,
                )
                self.assertIn(data_uri(png(16)), text)
                self.assertEqual(data_uri(png()) in text, user == self.sender)

    def test_from_elsewhere_they_are_left_out_and_it_says_so(self):
        text = self.page('<img src="https://elsewhere.example/a.png" alt="Map"/>')
        self.assertNotIn("elsewhere.example", text)
        self.assertIn(f"{LEFT_OUT} Map", text)
        for nothing in ("/web/image/0", "/web/image/999999999", "//x/y", "cid:1", "x"):
            self.assertIn(LEFT_OUT, self.page(f'<img src="{nothing}"/>'))
        pixel = '<img src="https://elsewhere.example/p.gif" width="1" height="1"/>'
        self.assertNotIn(LEFT_OUT, self.page(pixel))

    def test_logo_and_static_files(self):
        for address in (
            f"/logo.png?company={self.company.id}",
            "/web/binary/company_logo",
            "/web/static/img/user_menu_avatar.png",
        ):
            with self.subTest(address=address):
                self.company.logo = base64.b64encode(png(16))
                self.assertIn("data:image/", self.page(f'<img src="{address}"/>'))
        for outside in ("/web/static/../../../etc/passwd", "/web/static/src/x.js"):
            self.assertIn(LEFT_OUT, self.page(f'<img src="{outside}"/>'))

    def test_large_ones_are_made_smaller(self):
        large = png(1600, noise=True)
        self.assertGreater(len(large), limits.LINKED_PICTURES_MAX_BYTES)
        file = self.attachment(large)
        self.patch(limits, "LINKED_PICTURES_MAX_BYTES", 10_000_000)
        self.patch(limits, "BODY_MAX_CHARACTERS", 10_000_000)
        text = self.page(f'<img src="/web/image/{file.id}"/>')
        uri = text.split('src="data:')[1].split('"')[0].partition("base64,")[2]
        shown = Image.open(io.BytesIO(base64.b64decode(uri)))
        self.assertEqual(max(shown.size), limits.LINKED_PICTURE_SIDE)

    def test_no_room_for_all(self):
        """The first that fit are shown; of the others it is said."""
        self.patch(limits, "LINKED_PICTURES_MAX_BYTES", 2 * len(data_uri(png())) + 50)
        files = [self.attachment(png()) for _ in range(3)]
        text = self.page("".join(f'<img src="/web/image/{f.id}"/>' for f in files))
        self.assertEqual(text.count("data:image/png"), 2)
        self.assertEqual(text.count(LEFT_OUT), 1)

    def test_too_large_in_the_text_is_refused(self):
        uri = data_uri(png(600, noise=True))
        self.assertGreater(len(uri), limits.BODY_MAX_CHARACTERS)
        with self.assertRaisesRegex(UserError, "pictures in this text are too large"):
            self.send(body=f'<p>{CANARY}</p><img src="{uri}"/>')
        with self.assertRaisesRegex(UserError, "too long"):
            self.send(body="x" * (limits.BODY_MAX_CHARACTERS + 1))

    def test_read_once_for_all(self):
        """Of a template's picture, whatever the number of recipients."""
        file = self.attachment(png())
        counts = []
        for size in (2, 2, 9):
            contacts = self.env["res.partner"].create(
                [{"name": f"C{n}", "email": f"c{n}@x.example"} for n in range(size)]
            )
            drafts = [
                self.env["secure.draft"]._complete(
                    {
                        "partner": contact,
                        "company": self.company,
                        "body": f'<img src="/web/image/{file.id}"/>',
                    }
                )
                for contact in contacts
            ]
            self.env.flush_all()
            self.env.invalidate_all()
            contacts.mapped("lang")
            before = self.env.cr.sql_log_count
            pictures = self.env["secure.draft"].with_user(self.sender)
            pictures._embed_pictures(drafts)
            counts.append(self.env.cr.sql_log_count - before)
            self.assertTrue(all("data:image/png" in row["body"] for row in drafts))
        self.assertEqual(counts[1], counts[2])
