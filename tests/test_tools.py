from odoo.tests import BaseCase, tagged

from ..tools import (
    content,
    keyring,
    limits,
    log_filter,
    network,
    notification,
    pin_policy,
)
from ..tools import token as tokens
from ..tools.keyring import KeyMissing, Keyring, Place, Purpose, SealBroken

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
PLACE = Place("mail.message", "a" * 32, "body")


@tagged("post_install", "-at_install")
class TestKeyring(BaseCase):
    def test_round_trip(self):
        ring = Keyring([KEY])
        sealed = ring.seal_text(Purpose.CONTENT, PLACE, "grüße")
        self.assertNotIn("gr", sealed[:4])
        self.assertEqual(ring.open_text(Purpose.CONTENT, PLACE, sealed), "grüße")

    def test_same_text_seals_differently(self):
        ring = Keyring([KEY])
        first, second = (ring.seal(Purpose.CONTENT, PLACE, b"x") for _ in range(2))
        self.assertNotEqual(first, second)

    def test_moved_elsewhere_does_not_open(self):
        ring = Keyring([KEY])
        sealed = ring.seal(Purpose.CONTENT, PLACE, b"x")
        for place in (
            PLACE._replace(uid="b" * 32),
            PLACE._replace(field="subject"),
            PLACE._replace(model="secure.thread"),
        ):
            with self.assertRaises(SealBroken):
                ring.open(Purpose.CONTENT, place, sealed)

    def test_other_purpose_does_not_open(self):
        ring = Keyring([KEY])
        sealed = ring.seal(Purpose.CONTENT, PLACE, b"x")
        with self.assertRaises(SealBroken):
            ring.open(Purpose.FILES, PLACE, sealed)

    def test_every_flipped_byte_is_noticed(self):
        ring = Keyring([KEY])
        sealed = bytearray(ring.seal(Purpose.CONTENT, PLACE, b"x"))
        for index in range(len(sealed)):
            changed = (
                bytes(sealed[:index])
                + bytes([sealed[index] ^ 1])
                + bytes(sealed[index + 1 :])
            )
            with self.assertRaises(keyring.KeyringError):
                ring.open(Purpose.CONTENT, PLACE, changed)

    def test_second_key_put_first_opens_old(self):
        sealed = Keyring([KEY]).seal(Purpose.CONTENT, PLACE, b"x")
        both = Keyring([OTHER_KEY, KEY])
        self.assertEqual(both.open(Purpose.CONTENT, PLACE, sealed), b"x")
        new = both.seal(Purpose.CONTENT, PLACE, b"y")
        self.assertEqual(Keyring([OTHER_KEY]).open(Purpose.CONTENT, PLACE, new), b"y")

    def test_missing_key_is_named(self):
        sealed = Keyring([KEY]).seal(Purpose.CONTENT, PLACE, b"x")
        with self.assertRaises(KeyMissing) as caught:
            Keyring([OTHER_KEY]).open(Purpose.CONTENT, PLACE, sealed)
        self.assertEqual(caught.exception.fingerprint, Keyring([KEY]).primary)


@tagged("post_install", "-at_install")
class TestToken(BaseCase):
    def _link(self):
        ring = Keyring([KEY])
        return ring, (
            tokens.new_public_id(),
            tokens.new_nonce(),
            "c" * 32,
            ring.primary,
        )

    def test_statement_01_form_and_uniqueness(self):
        ring = Keyring([KEY])
        made = {
            tokens.derive(
                ring, tokens.new_public_id(), tokens.new_nonce(), "c" * 32, ring.primary
            )
            for _ in range(10_000)
        }
        self.assertEqual(len(made), 10_000)
        self.assertTrue(all(tokens.is_well_formed(token) for token in made))
        self.assertGreaterEqual(tokens.PUBLIC_ID_BYTES * 8, 64)
        self.assertGreaterEqual(tokens.MAC_BYTES * 8, 128)
        self.assertGreaterEqual(len(tokens.ALPHABET) ** tokens.MAC_LENGTH, 2**128)
        self.assertGreaterEqual(len(tokens.ALPHABET) ** tokens.PUBLIC_ID_LENGTH, 2**64)

    def test_genuine_verifies_and_nothing_else(self):
        ring, link = self._link()
        token = tokens.derive(ring, *link)
        self.assertTrue(tokens.verify(ring, token, link))
        for index in range(len(token)):
            other = "0" if token[index] != "0" else "1"
            self.assertFalse(
                tokens.verify(ring, token[:index] + other + token[index + 1 :], link)
            )

    def test_other_thread_or_nonce_does_not_verify(self):
        ring, (public_id, nonce, uid, fingerprint) = self._link()
        token = tokens.derive(ring, public_id, nonce, uid, fingerprint)
        self.assertFalse(
            tokens.verify(ring, token, (public_id, nonce, "d" * 32, fingerprint))
        )
        self.assertFalse(
            tokens.verify(ring, token, (public_id, "e" * 32, uid, fingerprint))
        )

    def test_absent_link_and_missing_key_do_not_verify(self):
        ring, link = self._link()
        token = tokens.derive(ring, *link)
        self.assertFalse(tokens.verify(ring, token, None))
        self.assertFalse(tokens.verify(Keyring([OTHER_KEY]), token, link))
        dummy = tokens.derive(ring, "0" * 11, "0" * 32, "0" * 32, ring.primary)
        self.assertFalse(tokens.verify(ring, dummy, None))


@tagged("post_install", "-at_install")
class TestPinPolicy(BaseCase):
    def test_statement_24_input_forms(self):
        for typed in ("839174", " 83 91-74 ", "8.3.9.1.7.4", "٨٣٩١٧٤", "８３９１７４"):
            self.assertEqual(pin_policy.normalize(typed), "839174")
        self.assertEqual(pin_policy.normalize("0042 7"), "00427")
        self.assertEqual(pin_policy.normalize(None), "")

    def test_statement_22_obvious_refused(self):
        for pin in ("0000", "1234", "4321", "7890", "121212", "12341234", "123456"):
            with self.assertRaises(pin_policy.PinRefused, msg=pin) as caught:
                pin_policy.check(pin)
            self.assertEqual(caught.exception.reason, "obvious")
        for pin in ("3456", "4701", "7012345"):
            with self.assertRaises(pin_policy.PinRefused, msg=pin):
                pin_policy.check(pin, ["+32 470 12 34 56"])

    def test_statement_22_keypad_lines_and_years_refused(self):
        lines = ("2580", "0852", "1470", "3690", "147258", "159357", "753159", "789456")
        doubled = ("1122", "9988", "112233", "111222333")
        years = ("1900", "1984", "2026", "2099")
        for pin in (*lines, *doubled, *years, "123321", "147258369"):
            with self.assertRaises(pin_policy.PinRefused, msg=pin) as caught:
                pin_policy.check(pin)
            self.assertEqual(caught.exception.reason, "obvious")

    def test_statement_22_what_must_pass(self):
        for pin in ("8391", "1472", "2581", "1899", "2100", "19845", "198426"):
            pin_policy.check(pin)
        for pin in ("147259", "112244", "839174", "1597", "123329", "100290"):
            pin_policy.check(pin)
        # No more than one in fifty is refused, of the shortest ones
        refused = 0
        for number in range(10_000):
            try:
                pin_policy.check(f"{number:04d}")
            except pin_policy.PinRefused:
                refused += 1
        self.assertLess(refused, 400)

    def test_what_could_be_a_pin(self):
        """Of the shortest and of the longest, in groups too, and of nothing else."""
        low, high = pin_policy.PIN_MIN_LENGTH, pin_policy.PIN_MAX_LENGTH
        digits = "8391740265518"
        for length, found in ((low - 1, 0), (low, 1), (high, 1), (high + 1, 0)):
            with self.subTest(length=length):
                number = digits[:length]
                text = f"<b>Ref {number[:3]}-{number[3:]}</b>"
                self.assertEqual(
                    pin_policy.possible_pins(text), {number} if found else set()
                )

    def test_length_and_digits(self):
        for pin, reason in (
            ("837", "length"),
            ("8" * 7 + "391745", "length"),
            ("83a4", "digits"),
            ("", "digits"),
        ):
            with self.assertRaises(pin_policy.PinRefused) as caught:
                pin_policy.check(pin)
            self.assertEqual(caught.exception.reason, reason)
        pin_policy.check("8391")
        pin_policy.check("839174205613")

    def test_generated(self):
        pins = {pin_policy.generate() for _ in range(200)}
        self.assertGreater(len(pins), 190)
        self.assertEqual({len(pin) for pin in pins}, {pin_policy.PIN_GENERATED_LENGTH})

    def test_statement_14_hash_parameters(self):
        hashed = pin_policy.hash_pin("839174")
        self.assertTrue(hashed.startswith("$pbkdf2-sha512$220000$"))
        self.assertNotEqual(hashed, pin_policy.hash_pin("839174"))
        self.assertTrue(pin_policy.verify("839174", hashed))
        self.assertFalse(pin_policy.verify("839175", hashed))
        weak = pin_policy.pbkdf2_sha512.using(rounds=1000).hash("839174")
        self.assertTrue(pin_policy.needs_rehash(weak))
        self.assertFalse(pin_policy.needs_rehash(hashed))


@tagged("post_install", "-at_install")
class TestTexts(BaseCase):
    def test_values_are_not_looked_at_again(self):
        values = {"contact.name": "{{ company.name }} [[secure_link]]\r\nBcc: x"}
        filled = notification.fill("{{ contact.name }}|{{ secure_link }}", values)
        head, tail = filled.split("|")
        self.assertIn("{{ company.name }}", head)
        self.assertNotIn(notification.LINK_MARK, head)
        self.assertNotIn("\n", filled)
        self.assertEqual(tail, notification.LINK_MARK)

    def test_html_is_escaped(self):
        html = notification.fill_html(
            "Hi {{ contact.name }}\n\n{{ secure_link }}",
            {"contact.name": "<b>x</b>"},
            "ANCHOR",
        )
        self.assertIn("&lt;b&gt;", html)
        self.assertIn("<p>ANCHOR</p>", html)

    def test_only_the_fixed_list(self):
        for text in (
            "{{ object.name }} {{ secure_link }}",
            "{{ secure_link }} ${x}",
            "{{ secure_link }} {{ 1 }}",
        ):
            with self.assertRaises(notification.TextRefused) as caught:
                notification.check(text, link=True)
            self.assertEqual(caught.exception.reason, "unknown")
        with self.assertRaises(notification.TextRefused):
            notification.check("no link", link=True)
        with self.assertRaises(notification.TextRefused):
            notification.check("{{ secure_link }}", link=False)

    def test_sms_parts(self):
        self.assertEqual(notification.sms_parts("a" * 160), 1)
        self.assertEqual(notification.sms_parts("a" * 161), 2)
        self.assertEqual(notification.sms_parts("€" * 80), 1)
        self.assertEqual(notification.sms_parts("я" * 70), 1)
        self.assertEqual(notification.sms_parts("я" * 71), 2)


@tagged("post_install", "-at_install")
class TestContent(BaseCase):
    def test_statement_35_inert(self):
        nasty = (
            "<p>ok</p><script>x()</script><img src=x onerror=y()><svg onload=z()></svg>"
            '<a href="javascript:w()">a</a><p style="background:url(//e)">s</p>'
            '<img src="https://tracker.example/p.png">'
        )
        shown = str(content.for_page(nasty))
        self.assertIn("ok", shown)
        for bad in ("script", "onerror", "onload", "javascript", "style", "tracker"):
            self.assertNotIn(bad, shown)

    def test_client_text_is_plain(self):
        html = str(content.clean_client_text("<b>x</b>\nsecond"))
        self.assertIn("&lt;b&gt;", html)
        self.assertIn("<br", html)

    def test_paragraphs_stand_alone(self):
        self.assertEqual(str(content.for_page("<p>a</p><p>b</p>")), "<p>a</p><p>b</p>")
        self.assertEqual(str(content.for_page("a &lt;b&gt;")), "<p>a &lt;b&gt;</p>")

    def test_sizes(self):
        sizes = (15, 72_110, 1_400_000)
        texts = [content.size_text(size) for size in sizes]
        self.assertEqual(texts, ["15 B", "72 kB", "1.4 MB"])

    def test_file_names(self):
        self.assertEqual(content.clean_file_name("../../etc/passwd"), "passwd")
        self.assertEqual(content.clean_file_name("C:\\x\\y.pdf"), "y.pdf")
        self.assertEqual(content.clean_file_name("a\u202egpj.exe"), "agpj.exe")
        self.assertEqual(content.clean_file_name("\r\n"), "file")
        long = content.clean_file_name("a" * 300 + ".pdf")
        self.assertEqual(len(long), content.FILE_NAME_MAX_LENGTH)
        self.assertTrue(long.endswith(".pdf"))


@tagged("post_install", "-at_install")
class TestLimitsAndNetwork(BaseCase):
    def test_files(self):
        limits.check_files([("a", limits.FILE_MAX_BYTES)])
        for files, reason in (
            ([("a", limits.FILE_MAX_BYTES + 1)], "file"),
            ([("a", 1)] * 11, "count"),
            ([("a", 21 * limits.MEGABYTE)] * 3, "total"),
        ):
            with self.assertRaises(limits.TooMuch) as caught:
                limits.check_files(files)
            self.assertEqual(caught.exception.reason, reason)

    def test_throttle_key(self):
        self.assertEqual(network.throttle_key("192.0.2.7"), "192.0.2.7")
        self.assertEqual(
            network.throttle_key("2001:db8:1:2:3::4"),
            network.throttle_key("2001:db8:1:2:ffff::1"),
        )
        self.assertNotEqual(
            network.throttle_key("2001:db8:1:2::1"),
            network.throttle_key("2001:db8:1:3::1"),
        )
        self.assertEqual(network.throttle_key("::ffff:192.0.2.7"), "192.0.2.7")
        self.assertEqual(network.throttle_key("nonsense"), "unknown")

    def test_masked(self):
        self.assertEqual(network.masked("192.0.2.77"), "192.0.2.0/24")
        self.assertEqual(network.masked(None), "")

    def test_log_filter(self):
        line = '"GET /sm/abcDEF123 HTTP/1.1" 200'
        self.assertEqual(log_filter.mask(line), '"GET /sm/*** HTTP/1.1" 200')
