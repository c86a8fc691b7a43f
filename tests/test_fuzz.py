"""Whatever somebody types, sends or stores: thousands of it, made up by hypothesis.

Always the same ones, so that a run tells the same as the last one.
"""

import email
import email.policy
import logging
import re
import string
from urllib.parse import unquote

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from lxml import html

from odoo.tests import BaseCase, tagged
from odoo.tools import html_escape

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
from .common import SecureCase
from .payloads import PAYLOADS

EXAMPLES = 150
made_up = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
)

RING = Keyring([b"k" * 32, b"o" * 32])
PLACE = Place("mail.message", "a" * 32, "body")
LINK = ("A" * 11, "0" * 32, "1" * 32, RING.primary)
TOKEN = tokens.derive(RING, *LINK)

ANY_TEXT = st.text(max_size=200)
NASTY_TEXT = st.one_of(
    ANY_TEXT,
    st.text(alphabet="\0\r\n\t \u2028\u202e\ufeff<>\"'&;:/\\%{}[]", max_size=60),
)

# -- HTML that wants to run ---------------------------------------------------------

TAGS = (
    "p div span a img b table td style script svg math iframe object embed form input "
    "button base meta link body html head template video audio source details x t"
).split()
ATTRIBUTES = (
    "href src style class id onclick onerror onload OnMouseOver srcset action "
    "formaction background data poster xlink:href http-equiv content t-out t-att-href "
    "data-x title"
).split()
VALUES = (
    "javascript:window.__pwned=1",
    "JAVASCRIPT:x",
    "java\nscript:x",
    " javascript:x",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/svg+xml,<svg onload=x>",
    "vbscript:x",
    "https://evil.example/x",
    "//evil.example",
    "url(https://evil.example)",
    "background:url('javascript:x')",
    "x:expression(y)",
    "0;url=javascript:x",
    "",
)


@st.composite
def markup(draw, depth=3):
    """HTML as nobody would write it who means well: mixed, broken, nested."""
    parts = []
    for _part in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(("tag", "payload", "text", "broken")))
        if kind == "payload":
            parts.append(draw(st.sampled_from(PAYLOADS)))
        elif kind == "text":
            parts.append(draw(st.text(max_size=20)))
        elif kind == "broken":
            payload = draw(st.sampled_from(PAYLOADS))
            cut = draw(st.integers(0, len(payload)))
            parts.append(
                payload[:cut] + draw(st.sampled_from(("", "\0", "<", '"', "/")))
            )
        else:
            tag = draw(st.sampled_from(TAGS))
            attributes = " ".join(
                f"{draw(st.sampled_from(ATTRIBUTES))}={quote}{value}{quote}"
                for value in draw(st.lists(st.sampled_from(VALUES), max_size=2))
                for quote in draw(st.sampled_from(("'", '"')))
            )
            inner = draw(markup(depth=depth - 1)) if depth else ""
            close = draw(st.sampled_from((f"</{tag}>", "", "/>")))
            parts.append(f"<{tag} {attributes}>{inner}{close}")
    return "".join(parts)


FORBIDDEN_TAGS = frozenset(
    "script style svg math iframe frame object embed applet form input button textarea "
    "select base meta link template noscript video audio source track map area body "
    "html head title".split()
)
ADDRESSES = frozenset(
    "href src srcset action formaction background data poster cite longdesc "
    "xlink:href ping".split()
)
SCHEMES = ("javascript:", "vbscript:", "livescript:", "data:", "blob:", "filesystem:")
"""What a browser would run, or open as a document of its own."""
IMAGES = re.compile(r"data:image/(png|gif|jpe?g|webp|bmp|x-icon)\b", re.IGNORECASE)


def dangers(text, remote=True, styles=True):
    """What a browser would run, load or send in a piece of HTML.

    :param remote: whether what is loaded from elsewhere counts
    :param styles: whether any style counts
    """
    if not text.strip():
        return []
    found = []
    for element in html.fragment_fromstring(text, create_parent="div").iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag.lower().rpartition(":")[2] in FORBIDDEN_TAGS:
            found.append(element.tag)
        for name, value in element.attrib.items():
            found += _dangers_of(element, name.lower(), value, remote, styles)
    return found


def _dangers_of(element, name, value, remote, styles):
    plain = re.sub(r"[\s\0-\x1f\u200b-\u200f]+", "", unquote(value)).lower()
    if name.startswith(("on", "t-", "formaction", "http-equiv", "srcdoc")):
        return [name]
    if name == "style":
        loads = re.search(r"url\(|expression|@import|javascript|-moz-binding", plain)
        return [f"style {value}"] if styles or loads else []
    if name not in ADDRESSES:
        return []
    image = element.tag == "img" and name == "src"
    if image and IMAGES.match(plain):
        return []
    if image and remote:
        return [f"{name} {value}"]
    if plain.startswith(SCHEMES):
        return [f"{name} {value}"]
    return []


@tagged("post_install", "-at_install")
class TestHtml(BaseCase):
    def test_the_eye_for_dangers_sees_them(self):
        for payload in (
            *PAYLOADS[:2],
            "<p onclick=x>",
            "<a href='javascript:x'>",
            "<a href=' java&#10;script:x'>",
            "<p style='background:url(x)'>",
            "<img src='https://evil.example'>",
            "<svg>",
            "<img src='data:image/svg+xml,x'>",
        ):
            self.assertTrue(dangers(payload), payload)
        for harmless in ("", "<p>x</p>", "<a href='https://x.example'>x</a>"):
            self.assertFalse(dangers(harmless), harmless)

    def test_statement_35_known_attacks(self):
        for payload in PAYLOADS:
            staff = str(content.clean_staff_body(payload))
            self.assertFalse(dangers(staff, remote=False, styles=False), payload)
            self.assertFalse(dangers(str(content.for_page(staff))), payload)
            self.assertFalse(dangers(str(content.for_page(payload))), payload)
            client = str(content.clean_client_text(payload))
            self.assertFalse(dangers(client), payload)

    @made_up
    @given(markup())
    @example("<p>\0</p>")
    def test_statement_35_staff_body(self, text):
        cleaned = str(content.clean_staff_body(text))
        self.assertFalse(dangers(cleaned, remote=False, styles=False), text)

    @made_up
    @given(markup())
    def test_statement_35_on_the_page(self, text):
        for body in (text, content.clean_staff_body(text)):
            self.assertFalse(dangers(str(content.for_page(body))), text)

    @made_up
    @given(st.one_of(markup(), NASTY_TEXT))
    def test_statement_35_what_a_client_types(self, text):
        """It comes out as it was typed: nothing of it is markup."""
        cleaned = str(content.clean_client_text(text))
        shown = str(content.for_page(cleaned))
        for each in (cleaned, shown):
            self.assertFalse(dangers(each), text)
            self.assertLessEqual(
                set(re.findall(r"<\s*(\w+)", each)), {"p", "br", "a"}, text
            )

    @made_up
    @given(
        st.text(alphabet=string.ascii_letters + string.digits + " <>&\"'", max_size=80)
    )
    def test_what_a_client_types_is_shown_whole(self, text):
        """Cleaning loses no word: everything stands there, escaped."""
        shown = str(content.for_page(content.clean_client_text(text)))
        plain = html.fragment_fromstring(shown or "<p/>", create_parent="div")
        squeezed = re.sub(r"\s+", "", text)
        self.assertEqual(re.sub(r"\s+", "", plain.text_content()), squeezed)

    @made_up
    @given(markup())
    def test_template_texts(self, text):
        shown = str(content.clean_template(text))
        self.assertFalse(dangers(shown, remote=False, styles=False), text)


@tagged("post_install", "-at_install")
class TestFileNames(BaseCase):
    @made_up
    @given(NASTY_TEXT)
    @example("../../etc/passwd")
    @example("..\\..\\x")
    @example("a\u202egpj.exe")
    @example("\u200e.")
    @example("x" * 5000 + ".pdf")
    @example("a\r\nSet-Cookie: x=y")
    def test_statement_36_names(self, name):
        cleaned = content.clean_file_name(name)
        self.assertTrue(cleaned)
        self.assertNotIn(cleaned, (".", ".."))
        self.assertLessEqual(len(cleaned), content.FILE_NAME_MAX_LENGTH)
        self.assertNotRegex(
            cleaned, r"[\x00-\x1f\x7f/\\<>:\"|?*\u202a-\u202e\u2066-\u2069]"
        )
        self.assertEqual(content.clean_file_name(cleaned), cleaned)

    @made_up
    @given(NASTY_TEXT, st.binary(max_size=200))
    def test_statement_36_types(self, name, data):
        """A browser is told of nothing that it would run."""
        served = content.served_type(content.file_type(name, data))
        self.assertIn(served, {*content.SAFE_TYPES, content.OPAQUE_TYPE})

    @made_up
    @given(st.lists(st.tuples(ANY_TEXT, st.integers(0, 10**9)), max_size=30))
    def test_statement_36_limits(self, files):
        sizes = [size for _name, size in files]
        fits = (
            len(files) <= limits.FILES_PER_MESSAGE
            and all(size <= limits.FILE_MAX_BYTES for size in sizes)
            and sum(sizes) <= limits.MESSAGE_FILES_MAX_BYTES
        )
        try:
            limits.check_files(files)
        except limits.TooMuch:
            self.assertFalse(fits)
        else:
            self.assertTrue(fits)


@tagged("post_install", "-at_install")
class TestTokens(BaseCase):
    @made_up
    @given(NASTY_TEXT)
    @example(TOKEN[:-1])
    @example(TOKEN + "0")
    @example(TOKEN.swapcase())
    @example(TOKEN + "\n")
    @example("\0" * tokens.TOKEN_LENGTH)
    def test_statement_05_nothing_else_verifies(self, text):
        assume(text != TOKEN)
        tokens.is_well_formed(text)
        for link in (LINK, None):
            self.assertFalse(tokens.verify(RING, text, link))

    @made_up
    @given(st.integers(0, tokens.TOKEN_LENGTH - 1), st.sampled_from(tokens.ALPHABET))
    def test_statement_01_each_character_counts(self, position, char):
        changed = TOKEN[:position] + char + TOKEN[position + 1 :]
        self.assertEqual(tokens.verify(RING, changed, LINK), changed == TOKEN)

    @made_up
    @given(
        st.text(alphabet=tokens.ALPHABET, min_size=11, max_size=11),
        st.text(alphabet="0123456789abcdef", min_size=32, max_size=32),
        st.text(alphabet="0123456789abcdef", min_size=32, max_size=32),
    )
    def test_statement_01_of_another_link(self, public_id, nonce, thread_uid):
        link = (public_id, nonce, thread_uid, RING.primary)
        assume(link != LINK)
        made = tokens.derive(RING, *link)
        self.assertTrue(tokens.is_well_formed(made))
        self.assertTrue(tokens.verify(RING, made, link))
        self.assertFalse(tokens.verify(RING, made, LINK))
        self.assertFalse(tokens.verify(RING, TOKEN, link))
        other_key = (*link[:3], RING.fingerprints[1])
        self.assertFalse(tokens.verify(RING, made, other_key))
        self.assertFalse(tokens.verify(RING, made, (*link[:3], "0" * 16)))

    @made_up
    @given(st.binary(min_size=1, max_size=32))
    def test_encoding_is_one_to_one(self, data):
        other = bytes([data[0] ^ 1]) + data[1:]
        self.assertNotEqual(tokens.encode(data, 43), tokens.encode(other, 43))

    def test_statement_01_ten_thousand(self):
        made = {tokens.new_public_id() for _number in range(10_000)}
        self.assertEqual(len(made), 10_000)
        self.assertGreaterEqual(tokens.PUBLIC_ID_BYTES * 8, 64)
        self.assertGreaterEqual(tokens.MAC_BYTES * 8, 128)


@tagged("post_install", "-at_install")
class TestPins(BaseCase):
    @made_up
    @given(NASTY_TEXT)
    @example("８３９１７４")
    @example("٨٣٩١٧٤")
    @example("839 174")
    @example("²³¹")
    @example("")
    def test_statement_24_whatever_is_typed(self, text):
        """Never an error; what is accepted are ASCII digits alone."""
        typed = pin_policy.normalize(text)
        try:
            pin_policy.check(typed)
        except pin_policy.PinRefused as refusal:
            self.assertIn(refusal.reason, ("digits", "length", "obvious"))
        else:
            self.assertRegex(typed, r"\A[0-9]{4,12}\Z")
            self.assertEqual(pin_policy.normalize(typed), typed)

    @made_up
    @given(st.text(alphabet=string.digits, min_size=4, max_size=12))
    def test_statement_24_however_it_is_written(self, pin):
        for spelled in (
            " ".join(pin),
            "-".join(pin),
            f"\u200e{pin}\u200f",
            "".join(chr(ord("０") + int(digit)) for digit in pin),
            "".join(chr(ord("٠") + int(digit)) for digit in pin),
            "".join(chr(ord("०") + int(digit)) for digit in pin),
        ):
            self.assertEqual(pin_policy.normalize(spelled), pin)

    @settings(made_up, max_examples=25)
    @given(st.text(alphabet=string.digits, min_size=4, max_size=12), NASTY_TEXT)
    def test_statement_24_only_itself_is_right(self, pin, text):
        hashed = pin_policy._hasher.using(rounds=1).hash(pin)
        self.assertTrue(pin_policy.verify(pin, hashed))
        typed = pin_policy.normalize(text)
        self.assertEqual(pin_policy.verify(typed, hashed), typed == pin)
        self.assertFalse(pin_policy.verify(pin + "0", hashed))
        self.assertFalse(pin_policy.verify(pin[:-1], hashed))
        self.assertFalse(pin_policy.verify("", hashed))

    @made_up
    @given(st.text(alphabet=string.digits, min_size=4, max_size=15), st.integers(4, 12))
    def test_statement_22_tail_of_the_phone(self, number, length):
        pin = number[-length:]
        assume(4 <= len(pin) <= 12)
        with self.assertRaises(pin_policy.PinRefused):
            pin_policy.check(pin, [f"+32 {number}"])

    def test_statement_22_generated_ones_pass(self):
        for _number in range(200):
            pin = pin_policy.generate(["+32 470 12 34 56"])
            pin_policy.check(pin, ["+32 470 12 34 56"])
            self.assertEqual(len(pin), pin_policy.PIN_GENERATED_LENGTH)


@tagged("post_install", "-at_install")
class TestSeals(BaseCase):
    @made_up
    @given(st.binary(max_size=300))
    @example(keyring.VERSION + bytes.fromhex(RING.primary) + b"\0" * 40)
    @example(keyring.VERSION)
    def test_bytes_of_anybody_do_not_open(self, data):
        with self.assertRaises((SealBroken, KeyMissing)):
            RING.open(Purpose.CONTENT, PLACE, data)

    @made_up
    @given(NASTY_TEXT)
    def test_text_of_anybody_does_not_open(self, text):
        with self.assertRaises((SealBroken, KeyMissing)):
            RING.open_text(Purpose.CONTENT, PLACE, text)

    @made_up
    @given(NASTY_TEXT, st.integers(min_value=0), st.integers(1, 255))
    def test_what_was_sealed_opens_and_nothing_else(self, text, position, change):
        text = text.encode("utf-8", "ignore").decode()
        sealed = RING.seal(Purpose.CONTENT, PLACE, text.encode())
        opened = RING.open(Purpose.CONTENT, PLACE, sealed)
        self.assertEqual(opened.decode(), text)
        spoilt = bytearray(sealed)
        spoilt[position % len(sealed)] ^= change
        with self.assertRaises((SealBroken, KeyMissing)):
            RING.open(Purpose.CONTENT, PLACE, bytes(spoilt))
        with self.assertRaises(SealBroken):
            RING.open(Purpose.CONTENT, PLACE._replace(field="subject"), sealed)

    @made_up
    @given(NASTY_TEXT)
    def test_keys_of_anybody(self, text):
        """What stands in a key file or odoo.conf: a ring, or words on what is wrong."""
        try:
            keyring._parse(text)
        except keyring.KeyringError as error:
            self.assertTrue(str(error))


@tagged("post_install", "-at_install")
class TestLogs(BaseCase):
    @made_up
    @given(
        st.text(max_size=40),
        st.text(alphabet=tokens.ALPHABET, min_size=20, max_size=60),
        st.sampled_from(("", "/renew", "?x=1", " ", '"', "<", "\n")),
    )
    def test_statement_55_any_token_is_masked(self, before, token, after):
        assume(token not in before)
        for text in (
            f"{before}/sm/{token}{after}",
            f"{before}/sm/{token}{after}".upper(),
            f"{before}/sm/c/{token}{after}",
        ):
            self.assertNotIn(token.lower(), log_filter.mask(text).lower())

    @made_up
    @given(st.text(alphabet=tokens.ALPHABET, min_size=33, max_size=33), NASTY_TEXT)
    def test_statement_55_wherever_it_stands_in_a_record(self, token, other):
        assume(token.lower() not in other.lower())
        path = f"https://x.example/sm/{token}"
        for message, args in (
            (path, ()),
            ("%s", (path,)),
            ("%s %s", (other, path)),
            ("%(a)s", ({"a": path},)),
            ("%s", (ValueError(path),)),
        ):
            record = logging.LogRecord("x", 20, "f", 1, message, args, None)
            shown = log_filter._masked(record).getMessage()
            self.assertNotIn(token, shown)


@tagged("post_install", "-at_install")
class TestNotificationTexts(BaseCase):
    @made_up
    @given(NASTY_TEXT, NASTY_TEXT)
    @example("x\r\nBcc: everybody@evil.example", "{{ secure_link }}")
    @example("[[secure_link]]", "x\n\n\nhttps://evil.example")
    def test_statement_37_names_are_words_on_one_line(self, name, company):
        template = "Dear {{ contact.name }}, {{ company.name }}: {{ secure_link }}"
        values = {"contact.name": name, "company.name": company}
        text = notification.fill(template, values)
        self.assertEqual(text.count(notification.LINK_MARK), 1)
        self.assertNotRegex(text, r"[\x00-\x08\x0a-\x1f\x7f\u2028\u2029\x85]")

    @made_up
    @given(NASTY_TEXT)
    def test_statement_37_escaped_in_emails(self, name):
        anchor = notification.Markup('<a href="%s">x</a>') % notification.LINK_MARK
        made = str(
            notification.fill_html(
                "Dear {{ contact.name }}\n\n{{ secure_link }}",
                {"contact.name": name},
                anchor,
            )
        )
        self.assertFalse(dangers(made), name)
        self.assertEqual(made.count(notification.LINK_MARK), 1)
        self.assertLessEqual(set(re.findall(r"<\s*(\w+)", made)), {"p", "br", "a"})

    @made_up
    @given(NASTY_TEXT)
    def test_what_may_be_saved_holds_no_code(self, text):
        try:
            notification.check(text, link=False)
        except notification.TextRefused as refusal:
            self.assertIn(refusal.reason, ("unknown", "no_link", "link_in_subject"))
        else:
            self.assertNotRegex(
                re.sub(r"{{\s*[\w.]+\s*}}", "", text), r"{{|}}|\[\[|{%|\${|<t\b"
            )

    @made_up
    @given(ANY_TEXT)
    def test_sms_are_counted_without_error(self, text):
        self.assertGreaterEqual(notification.sms_parts(text), 1)


@tagged("post_install", "-at_install")
class TestNetworks(BaseCase):
    @made_up
    @given(st.one_of(NASTY_TEXT, st.ip_addresses().map(str)))
    def test_addresses(self, address):
        key = network.throttle_key(address)
        shown = network.masked(address)
        self.assertTrue(key)
        if key == "unknown":
            self.assertEqual(shown, "")
        else:
            self.assertTrue(shown)

    @made_up
    @given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
    def test_statement_17_one_ipv6_network_is_one(self, address, host):
        assume(not address.ipv4_mapped)
        neighbour = type(address)((int(address) >> 64 << 64) + host)
        assume(not neighbour.ipv4_mapped)
        self.assertEqual(
            network.throttle_key(str(address)), network.throttle_key(str(neighbour))
        )


@tagged("post_install", "-at_install")
class TestWhatLeaves(SecureCase):
    """Whatever names are like: one email with the headers it should have, one SMS."""

    NAMES = (
        "Clara\r\nBcc: everybody@evil.example",
        "Clara\nSubject: pwned\n\n<script>",
        "Clara\r\n\r\nThe PIN is",
        "\u2028Clara\u2029",
        "Clara\x0b\x0c\x1c\x85Bcc: x@evil.example",
        '"Clara" <spy@evil.example>',
        "Clara, spy@evil.example",
        "=?utf-8?q?Clara=0D=0ABcc:_x@evil.example?=",
        "עברית\u202e العربية",
        "C" * 3000,
    )

    def test_statement_37_headers(self):
        for name in self.NAMES:
            for whose in ("contact", "sender", "company"):
                with self.subTest(whose=whose, name=name[:30]):
                    with self.env.cr.savepoint() as point:
                        record = {
                            "contact": self.contact,
                            "sender": self.sender,
                            "company": self.company,
                        }[whose]
                        record.name = name
                        sent = self.send()
                        state = sent.message.sudo().mail_ids.state
                        self.assertEqual(state, "sent", (whose, name[:60]))
                        [mail] = self._mails
                        self.check_email(mail)
                        point.rollback()
                        self.env.invalidate_all()

    def check_email(self, mail):
        raw = mail["EmailMessage"].as_bytes(policy=email.policy.SMTP)
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertIsNone(parsed["Bcc"])
        self.assertIsNone(parsed["Cc"])
        for header in ("To", "From", "Subject", "Reply-To"):
            self.assertEqual(len(parsed.get_all(header)), 1, header)
        addresses = [one.addr_spec for one in parsed["To"].addresses]
        self.assertEqual(addresses, ["clara@client.example"])
        self.assertNotIn(b"\nBcc:", raw.partition(b"\r\n\r\n")[0])
        self.assertNotIn("<script>", mail["body"])
        text = parsed.get_body(("plain",)).get_content()
        self.assertIn(f"/sm/{self.token}", text)

    def test_statement_37_sms(self):
        for name in self.NAMES:
            with self.subTest(name=name[:30]), self.env.cr.savepoint() as point:
                self.contact.name = self.sender.name = name
                self.send(channel="sms")
                [sms] = self._sms
                self.assertEqual(sms["number"], "+32470123456")
                self.assertEqual(sms["body"].count("/sm/"), 1)
                self.assertNotRegex(sms["body"], r"[\x00-\x09\x0b-\x1f\x7f]")
                point.rollback()
                self.env.invalidate_all()

    def test_statement_35_a_clients_text_in_both_places(self):
        """Stored and shown: to staff in the chatter, to the client on the page."""
        sent = self.send()
        self.visitor.open_gate(self.token)
        texts = ["\n\n".join(PAYLOADS[each::5]) for each in range(5)]
        for text in texts:
            self.visitor.submit(self.visitor.form(self.visitor.path), body=text)
            self.assertEqual(self.visitor.status, 200)
        page = html.fromstring(self.visitor.text.encode())
        [conversation] = page.xpath("//main")
        for element in conversation.xpath(".//*[contains(@class, 'body')]"):
            self.assertFalse(dangers(html.tostring(element, encoding="unicode")))
        clear = sent.thread.message_ids._secure_clear()
        for text in clear.values():
            self.assertFalse(dangers(str(text["body"])))
        self.assertEqual(len(clear), len(texts) + 1)
        self.assertIn(html_escape(PAYLOADS[0]), self.visitor.text)
