"""Fixtures: a company that sends, people with the least rights, marked content."""

import re
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

from odoo import fields
from odoo.tests import new_test_user
from odoo.tests.common import Opener
from odoo.tools import mute_logger

from odoo.addons.mail.tests.common import MockEmail
from odoo.addons.sms.tests.common import MockSMS

from ..tools import pin_policy
from .leaks import LeakScan, recording

CANARY = "CANARYbody7351"
CANARY_SUBJECT = "CANARYsubject7352"
CANARY_FILE = "CANARYfile7353"
CANARY_FILE_NAME = "CANARYname7354.txt"
CANARY_REPLY = "CANARYreply7355"
PIN = "839174"
WRONG_PIN = "839175"
BESIDE_THE_PAGE = ("/sm", "/sm/<path:rest>")
"""What answers for all that is no address of the page."""


class PageRoute(NamedTuple):
    """One address of the public page, and one method it is asked by."""

    path: str
    method: str
    routing: dict

    @property
    def is_door(self):
        """Whether it is asked for with a grant, not with a token."""
        return self.path.startswith("/sm/c/")

    @property
    def ending(self):
        """What comes after the token or the handle."""
        return re.sub("^/sm/(c/)?<[^>]*>", "", self.path)

    def at(self, **values):
        """The address, with values in the place of its parameters."""
        return re.sub("<string:([a-z]+)>", lambda found: values[found[1]], self.path)

    def is_asked_by(self, request):
        """Whether a request that was sent is one for it."""
        pattern = re.sub("<[^>]*>", "[^/]+", self.path)
        path = urlsplit(request.url).path
        return request.method == self.method and bool(re.fullmatch(pattern, path))


class SecureCase(MockEmail, MockSMS):
    """What every test needs, with a browser without scripts: :class:`Visitor`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._init_mail_servers()
        cls.env["ir.config_parameter"].set_param("web.base.url.freeze", "1")
        cls.company = cls.env.company
        cls.company.write(
            {"email": "office@practice.example", "phone": "+32 2 555 01 23"}
        )
        groups = "base.group_user,secure_messaging."
        cls.sender = cls._user("sender", groups + "group_user")
        cls.colleague = cls._user("colleague", groups + "group_user")
        cls.manager = cls._user("manager", groups + "group_manager")
        cls.clerk = cls._user("clerk", "base.group_user")
        cls.portal = cls._user("portal7", "base.group_portal")
        cls.company.write(
            {
                "secure_responsible_id": cls.manager.id,
                "secure_messaging_enabled": True,
                "secure_pin_required": False,
            }
        )
        cls.contact = cls.env["res.partner"].create(
            {
                "name": "Clara Client",
                "email": "clara@client.example",
                "phone": "+32 470 12 34 56",
                "country_id": cls.env.ref("base.be").id,
            }
        )
        cls.other_contact = cls.env["res.partner"].create(
            {
                "name": "Otto Other",
                "email": "otto@client.example",
                "phone": "+32 470 65 43 21",
            }
        )
        cls.startClassPatcher(_cheap_hashes())
        # All that leaves by email, SMS, web push or HTTP, for the leak scan
        cls.left_the_house = []
        record = recording(cls.left_the_house)
        record.__enter__()
        cls.addClassCleanup(record.__exit__, None, None, None)

    def setUp(self):
        super().setUp()
        self.visitor = Visitor(self)

    @classmethod
    def _user(cls, login, groups, **values):
        return new_test_user(
            cls.env,
            login=login,
            password=f"{login}-{login}",
            groups=groups,
            **{
                "name": login.capitalize(),
                "email": f"{login}@practice.example",
                "notification_type": "email" if "portal" in groups else "inbox",
                **values,
            },
        )

    @contextmanager
    def gateways(self):
        """Odoo's own mail and SMS gateways, kept from the network, otherwise real."""
        with self.mock_mail_gateway(), self.mockSMSGateway():
            try:
                yield
            finally:
                # Odoo's mock takes the place of what the recording listens to
                for call in self.push_to_end_point_mocked.mock_calls:
                    self.left_the_house.append(("push", str(call)))

    def send(self, user=None, partner=None, **values):
        """Send a marked message and let it leave.

        :return: ``Sent``; the token that left is in ``self.token``
        """
        user = user or self.sender
        draft = {
            "partner": partner or self.contact,
            "company": self.company,
            "subject": CANARY_SUBJECT,
            "body": f"<p>{CANARY}</p>",
            "responsible": user,
            **values,
        }
        with self.gateways():
            threads = self.env["secure.thread"].with_user(user)
            [sent] = threads._send([draft])
            self.leave()
            self.token = self.left_token()
        return sent

    def planned(self, user=None, **values):
        """A send to the contact that leaves in an hour."""
        dispatches = self.env["secure.dispatch"].with_user(user or self.sender)
        return dispatches._plan(
            {
                "origin": "compose",
                "channel": "email",
                "company_id": self.company.id,
                "subject": CANARY_SUBJECT,
                "body": f"<p>{CANARY}</p>",
                **values,
            },
            [{"partner": self.contact}],
            fields.Datetime.now() + timedelta(hours=1),
        )

    def leave(self):
        """Send what waits in Odoo's SMS queue (mails leave at once in tests)."""
        self.env["sms.sms"].sudo().search([("state", "=", "outgoing")]).send()

    def left_text(self):
        """All that left by email and SMS since the gateways were opened."""
        mails = [" ".join(str(mail.get(key)) for key in mail) for mail in self._mails]
        return "\n".join([*mails, *(sms["body"] for sms in self._sms)])

    def left_token(self):
        found = re.findall(r"/sm/([0-9A-Za-z]{33})", self.left_text())
        return found[-1] if found else None

    def page_routes(self):
        """All addresses of the page, from what the server goes by: one that is added,
        by an extension too, is in each test that goes over them."""
        modules = sorted(self.registry._init_modules)
        rules = self.env["ir.http"]._generate_routing_rules(modules, None)
        return [
            PageRoute(path, method, endpoint.routing)
            for path, endpoint in rules
            if path.startswith("/sm/") and path not in BESIDE_THE_PAGE
            for method in endpoint.routing["methods"]
        ]

    def rows_of(self, *tables):
        """What stands in tables, or in all there are, as far as it takes to see whether
        this test writes or deletes a row.

        :return: list of (table, how many rows, digest of those this test has written)
        """
        self.env.cr.flush()
        if not tables:
            self.env.cr.execute(
                """SELECT quote_ident(tablename) FROM pg_tables
                    WHERE schemaname = 'public' ORDER BY 1"""
            )
            tables = [table for (table,) in self.env.cr.fetchall()]
        self.env.cr.execute(
            " UNION ALL ".join(
                f"""SELECT '{table}', count(*), (sum(hashtextextended(t::text, 0))
                    FILTER (WHERE age(t.xmin) <= age(pg_current_xact_id()::xid)))::text
                    FROM {table} t"""
                for table in tables
            )
        )
        return self.env.cr.fetchall()

    def set_pin(self, owner, pin=PIN):
        return self.env["secure.pin"]._set(owner, pin)

    @contextmanager
    def leak_scan(self):
        scan = LeakScan(self.env, self.left_the_house)
        try:
            yield scan
        finally:
            scan.close()

    def assertNoLeak(self, scan, *needles):
        """Nothing of the usual canaries, nor of ``needles``, stands anywhere."""
        usual = (CANARY, CANARY_SUBJECT, CANARY_FILE, CANARY_FILE_NAME, CANARY_REPLY)
        self.assertEqual(scan.find([*usual, *needles]), [])


class Visitor:
    """One client's browser."""

    def __init__(self, case):
        self._case = case
        self.opener = Opener(case)
        self.response = None

    def get(self, path, **kwargs):
        return self._request("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self._request("POST", path, **kwargs)

    def open_gate(self, token, pin=None, **form):
        """Look at the gate, then send its form; ends on the page behind it."""
        self.get(f"/sm/{token}")
        return self.submit(pin=pin, **form)

    def submit(self, _index=0, files=None, **fields):
        """Send a form of the last page, with its hidden fields."""
        action, hidden = self.forms()[_index]
        data = {
            **hidden,
            **{key: value for key, value in fields.items() if value is not None},
        }
        return self.post(action, data=data, files=files)

    def forms(self):
        """(action, hidden fields) of each form of the last page."""
        pattern = r"<form[^>]*action=\"([^\"]*)\"[^>]*>(.*?)</form>"
        return [
            (action.partition("#")[0], _hidden_fields(inner))
            for action, inner in re.findall(pattern, self.text, re.DOTALL)
        ]

    def form(self, ending):
        """Index of the form whose action ends so."""
        actions = [action for action, _hidden in self.forms()]
        return next(
            index for index, action in enumerate(actions) if action.endswith(ending)
        )

    @property
    def text(self):
        return self.response.text

    @property
    def status(self):
        return self.response.status_code

    @property
    def path(self):
        return urlsplit(self.response.url).path[1:]

    def _request(self, method, path, **kwargs):
        url = path if path.startswith("http") else self._case.base_url() + path
        kwargs.setdefault("timeout", 20)
        self._case.opener = self.opener
        with mute_logger("odoo.http"):
            self.response = self.opener.request(method, url, **kwargs)
        return self.response


def _hidden_fields(html):
    fields = {}
    for tag in re.findall(r"<input[^>]*>", html):
        if 'type="hidden"' in tag:
            name = re.search(r'name="([^"]*)"', tag)[1]
            value = re.search(r'value="([^"]*)"', tag)
            fields[name] = value[1] if value else ""
    for attributes, text in re.findall(
        r"<textarea([^>]*)>(.*?)</textarea>", html, re.DOTALL
    ):
        if "hidden" in attributes:
            fields[re.search(r'name="([^"]*)"', attributes)[1]] = text.strip()
    return fields


def _cheap_hashes():
    """Fewer rounds, so that tests of the throttle take seconds; one test looks at the
    real number."""
    cheap = pin_policy._hasher.using(rounds=1000)
    return patch.object(pin_policy, "_hasher", cheap)


def same_transaction(counters):
    """For what a test has put into its own transaction."""

    class Same:
        def __enter__(self):
            return counters

        def __exit__(self, *exception):
            return False

    return Same()
