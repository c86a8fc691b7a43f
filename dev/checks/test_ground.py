"""What of the developer ground can be checked without a database."""

import json
import tempfile
import unittest
from pathlib import Path

import mailroom
from ground import databases, keep, mutants, outcomes, paths, tests, venv


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


class TestMutants(unittest.TestCase):
    """Faults that are made on purpose."""

    SOURCE = (
        "LIMIT = 3 > 2\n"
        "def locked(count, limit=True):\n"
        '    """Return True."""\n'
        "    if limit:\n"
        "        return count >= LIMIT and not count < 0\n"
        "    return cr.execute('SELECT 1 FROM t WHERE a > 1 AND b = 2')\n"
    )

    def test_each_decision_is_flipped(self):
        """Comparisons at their border and altogether; nothing outside of functions."""
        keys = [mutant.key for mutant in mutants.mutants_of(self.SOURCE)]
        changes = [key.partition("locked: ")[2] for key in keys]
        self.assertIn("if limit -> if not", changes)
        self.assertIn("count >= LIMIT -> count > LIMIT", changes)
        self.assertIn("count >= LIMIT -> count < LIMIT", changes)
        self.assertIn("not count < 0 -> count < 0", changes)
        self.assertIn("SQL a > 1 AND b = 2: AND -> OR", changes)
        self.assertEqual(len(changes), len(set(changes)))
        self.assertFalse([key for key in keys if "3 > 2" in key])

    def test_a_fault_is_in_the_code(self):
        """What is compiled decides otherwise."""
        keys = [mutant.key for mutant in mutants.mutants_of(self.SOURCE)]
        number = keys.index("locked: count >= LIMIT -> count > LIMIT")
        for tree, expected in (
            (mutants.ast.parse(self.SOURCE), True),
            (mutants.mutated(self.SOURCE, number), False),
        ):
            names = {}
            exec(compile(tree, "x", "exec"), names | {"LIMIT": 1}, names)
            self.assertEqual(eval("locked(1)", names | {"LIMIT": 1}), expected)


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

    def test_npm_packages_are_pinned_to_the_last_one(self):
        """By version and hash; from which registry is the machine's matter."""
        packages = {}
        for folder, wanted in (("rtlcss", "rtlcss"), ("axe", "axe-core")):
            text = (paths.DEV / folder / "package-lock.json").read_text()
            listed = json.loads(text)["packages"]
            self.assertIn(f"node_modules/{wanted}", listed)
            packages |= {name: what for name, what in listed.items() if name}
        for name, package in packages.items():
            with self.subTest(name):
                self.assertRegex(package["version"], r"^[0-9.]+$")
                self.assertTrue(package["integrity"].startswith("sha512-"))
                self.assertNotIn("resolved", package)

    def test_torn_stamp_counts_as_none(self):
        """A stamp cut short by a full disk does not vouch for anything."""
        with tempfile.TemporaryDirectory() as folder:
            stamp = Path(folder, "stamp.json")
            self.assertEqual(keep.read_stamp(stamp), {})
            keep.write_stamp(stamp, a=1)
            self.assertEqual(keep.read_stamp(stamp), {"a": 1})
            stamp.write_text(json.dumps({"a": 1})[:-1])
            self.assertEqual(keep.read_stamp(stamp), {})


class TestOutcomes(unittest.TestCase):
    """Two runs of the same tests held against each other."""

    def run_of(self, whole=True, **tests):
        """Return a run with these outcomes."""
        named = {name: {"outcome": end, "why": name} for name, end in tests.items()}
        return outcomes.Run(named, whole, 1)

    def compared(self, without, with_ours):
        """Return what two runs amount to."""
        return outcomes.Comparison("sms", without, with_ours)

    def test_reading_what_was_written_down(self):
        """The worst counts, and a run without its last line was cut short."""
        lines = [
            {"test": "a", "outcome": "passed"},
            {"test": "a", "outcome": "error"},
            {"test": "b", "outcome": "skipped"},
        ]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "noted")
            text = "".join(json.dumps(line) + "\n" for line in lines)
            file.write_text(text + '{"test": "half')
            run = outcomes.Run.read(file, 1)
            self.assertFalse(run.whole)
            ends = [run.outcome(test) for test in "abc"]
            self.assertEqual(ends, ["error", "skipped", "missing"])
            file.write_text(text + '{"finished": 0}\n')
            self.assertTrue(outcomes.Run.read(file, 1).whole)
            self.assertFalse(outcomes.Run.read(Path(folder, "none"), 1).whole)

    def test_what_counts_as_broken(self):
        """What passes without us and not with us, be it missing or skipped."""
        before = self.run_of(a="passed", b="passed", c="passed", d="failed", e="failed")
        after = self.run_of(a="passed", b="error", d="passed", e="failed", f="failed")
        found = self.compared(before, after)
        self.assertEqual(found.broken(), ["b", "c"])
        self.assertEqual(found.differing(), ["b", "c", "d", "f"])
        self.assertEqual(found.failing_alike(), ["e"])
        self.assertFalse(found.good())

    def test_unsteady_only_where_both_sides_pass_by_themselves(self):
        """A test that fails on both sides by itself clears nobody."""
        before = dict.fromkeys("abc", "passed")
        after = dict.fromkeys("abc", "failed")
        found = self.compared(self.run_of(**before), self.run_of(**after))
        found.add_again(
            self.run_of(a="passed", b="passed", c="failed"),
            self.run_of(a="passed", b="failed", c="failed"),
        )
        self.assertEqual(found.broken(), ["b", "c"])
        self.assertEqual(found.verdict("a"), "unsteady")
        self.assertIn("by itself passed / failed", outcomes.table([found]))

    def test_a_run_cut_short_is_never_good(self):
        """However well it looks."""
        whole, short = self.run_of(a="passed"), self.run_of(whole=False, a="passed")
        self.assertTrue(self.compared(whole, whole).good())
        self.assertFalse(self.compared(whole, short).good())
        self.assertFalse(self.compared(short, whole).good())
        self.assertFalse(self.compared(self.run_of(), self.run_of()).good())
        self.assertIn("CUT SHORT", outcomes.table([self.compared(short, whole)]))
