"""What of the developer ground can be checked without a database."""

import json
import tempfile
import unittest
from pathlib import Path

import mailroom
from ground import databases, keep, paths, tests, venv


class TestMailroom(unittest.TestCase):
    """The outside world."""

    def test_links_work_and_everything_else_is_text(self):
        """An SMS cannot bring markup of its own into the page."""
        shown = mailroom.linked('<b>http://x.example/a?b=1&c="</b>')
        self.assertIn('href="http://x.example/a?b=1&amp;c="', shown)
        self.assertNotIn("<b>", shown)

    def test_mail_is_shown_in_a_closed_frame(self):
        """A script in a mail stays inside a frame that runs none."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "1.eml")
            file.write_bytes(
                b"From: a@x.example\nTo: <b@x.example>\nSubject: <i>\n"
                b"Content-Type: text/html\n\n<script>'\"</script>"
            )
            shown = mailroom.show_mail(file)
        self.assertIn('<iframe sandbox="allow-popups', shown)
        self.assertNotIn("allow-scripts", shown)
        self.assertNotIn("<script", shown)
        self.assertNotIn("<i>", shown)

    def test_gateway_answers_each_number(self):
        """One result for each number, and one line in the file."""
        with tempfile.TemporaryDirectory() as folder:
            phone = mailroom.Phone(Path(folder))
            numbers = [{"uuid": str(n), "number": f"+3212345{n}"} for n in (1, 2)]
            asked = {"messages": [{"content": "Hi", "numbers": numbers}]}
            results = phone.accept(asked)
            self.assertEqual([r["uuid"] for r in results], ["1", "2"])
            self.assertEqual({r["state"] for r in results}, {"success"})
            self.assertEqual([m["content"] for m in phone.messages()], ["Hi", "Hi"])


class TestGround(unittest.TestCase):
    """Small decisions of the set-up."""

    def test_complaints_are_warnings_about_us(self):
        """Odoo's own warnings are not ours to answer for."""
        start = "2026-01-01 00:00:00,000 1 WARNING db odoo.x: "
        self.assertTrue(databases._is_complaint(start + "field secure.thread.a"))
        self.assertTrue(databases._is_complaint(start + "secure_messaging is odd"))
        self.assertFalse(databases._is_complaint(start + "res.partner is odd"))
        informed = start.replace("WARNING", "INFO") + "secure_messaging"
        self.assertFalse(databases._is_complaint(informed))

    def test_tests_are_named_through_the_link(self):
        """Odoo knows the files by the module's name only."""
        self.assertEqual(
            tests._through_link("dev/cli.py::A::b"), f"{paths.LINK}/dev/cli.py::A::b"
        )
        self.assertEqual(tests._through_link("-x"), "-x")
        self.assertEqual(tests._through_link("word"), "word")

    def test_odoo_list_without_compiler(self):
        """What needs a compiler is left out or taken as a wheel."""
        listed = "psycopg2==2.9.9 ; x\npython-ldap==3.4\nlxml==4\n"
        self.assertEqual(
            venv._from_wheels(listed), "psycopg2-binary==2.9.9 ; x\n\nlxml==4\n\n"
        )

    def test_half_built_folder_is_never_taken_for_a_whole_one(self):
        """A build that fails leaves nothing under the final name."""
        with tempfile.TemporaryDirectory() as folder:
            final = Path(folder, "thing")
            with self.assertRaises(ValueError), keep.build_folder(final) as draft:
                (draft / "half").touch()
                raise ValueError
            self.assertFalse(final.exists())
            with keep.build_folder(final) as draft:
                (draft / "whole").touch()
            self.assertEqual([p.name for p in final.iterdir()], ["whole"])

    def test_torn_stamp_counts_as_none(self):
        """A stamp cut short by a full disk does not vouch for anything."""
        with tempfile.TemporaryDirectory() as folder:
            stamp = Path(folder, "stamp.json")
            self.assertEqual(keep.read_stamp(stamp), {})
            keep.write_stamp(stamp, a=1)
            self.assertEqual(keep.read_stamp(stamp), {"a": 1})
            stamp.write_text(json.dumps({"a": 1})[:-1])
            self.assertEqual(keep.read_stamp(stamp), {})
