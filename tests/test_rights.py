"""Every person at every model, method and column, in Python and over HTTP."""

import ast
import contextlib
import inspect
import pathlib
import re
from datetime import timedelta

import requests

from odoo import fields
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.fields import NO_ACCESS
from odoo.service.model import call_kw, get_public_method
from odoo.tests import JsonRpcException, tagged
from odoo.tools import file_open, file_path, mute_logger

from . import rights
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_SUBJECT,
    PIN,
    SecureCase,
)
from .leaks import Needle

OURS = "secure_messaging"
SESSION_RPC = "/web/dataset/call_kw"

WRITTEN = {
    "secure.thread": {"state": "closed"},
    "secure.compose": {"renewable": False},
    "secure.pin.wizard": {"is_done": True},
}
"""What is written to try it; to others their display name's field."""


MANAGERS_FORMS = ("secure.log.export", "secure.pin.generate", "secure.pin.import")


class Refused(Exception):
    """Somebody was not let through."""


def _split(ids, kwargs):
    """(args, kwargs) as the web client sends them: Odoo wants to look at the first."""
    kwargs = dict(kwargs)
    args = [ids] if ids else []
    if "vals_list" in kwargs:
        args.append(kwargs.pop("vals_list"))
    return args, kwargs


class RightsCase(SecureCase):
    """Everybody of rights.PEOPLE, and something of each kind that is the sender's."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env["res.company"].create({"name": "Second Office"})
        group = "base.group_user,secure_messaging."
        cls.people = {
            "public": cls.env.ref("base.public_user"),
            "portal": cls.portal,
            "clerk": cls.clerk,
            "system": cls._user("system", "base.group_system"),
            "colleague": cls.colleague,
            "sender": cls.sender,
            "manager": cls.manager,
            "administrator": cls._user("administrator", f"{group}group_admin"),
            "foreigner": cls._user(
                "foreigner",
                f"{group}group_manager",
                company_id=cls.other_company.id,
                company_ids=[(6, 0, cls.other_company.ids)],
            ),
        }
        # Odoo's own right to export, so that it is ours that refuse
        export = cls.env.ref("base.group_allow_export")
        staff = [user for user in cls.people.values() if user._is_internal()]
        for user in staff:
            user.group_ids += export
        cls.records = cls._make_records()
        tomorrow = fields.Datetime.now() + timedelta(days=1)
        cls.keys = {
            person: cls.env(user=user)["res.users.apikeys"]._generate(
                "rpc", "test", tomorrow
            )
            for person, user in cls.people.items()
            if person != "public"
        }

    @classmethod
    def _make_records(cls):
        """By model, one record that is the sender's."""
        env = cls.env
        own = env(user=cls.sender)
        env["secure.pin"]._set(cls.contact, PIN)
        files = [(CANARY_FILE_NAME, CANARY_FILE.encode())]
        draft = {
            "partner": cls.contact,
            "company": cls.company,
            "subject": CANARY_SUBJECT,
            "body": f"<p>{CANARY}</p>",
            "responsible": cls.sender,
            "attachments": files,
        }
        [sent] = own["secure.thread"]._send([draft], leave=False)
        cls.sent = sent
        written = {
            "partner_ids": [(6, 0, cls.contact.ids)],
            "subject": CANARY_SUBJECT,
            "body": f"<p>{CANARY}</p>",
        }
        later = fields.Datetime.now() + timedelta(days=1)
        planned = own["secure.compose"].create({**written, "scheduled_at": later})
        planned.action_send()
        dispatch = env["secure.dispatch"].search([], order="id desc", limit=1)
        env["secure.access.log"]._log("sent", sent.link)
        grant = env["secure.grant"]._open(sent.link.sudo())[0]
        bulk = own["secure.pin.bulk"]._set_pins({cls.other_contact: PIN}, "generated")
        check = env["secure.log.check"].create({"company_id": cls.company.id})
        records = {
            **cls._make_consent(grant),
            "secure.pin.bulk": bulk,
            "secure.pin.bulk.line": bulk.sudo().line_ids,
            "secure.log.check": check,
            "secure.log.finding": env["secure.log.finding"].create(
                {"check_id": check.id, "kind": "changed"}
            ),
            **{
                model: env(user=cls.manager)[model].create({})
                for model in MANAGERS_FORMS
            },
            "secure.thread": sent.thread,
            "secure.link": sent.link,
            "secure.access.log": env["secure.access.log"].search([], limit=1),
            "secure.dispatch": dispatch,
            "secure.dispatch.line": dispatch.line_ids,
            "secure.compose": own["secure.compose"].create(written),
            "secure.pin.wizard": own["secure.pin.wizard"].create(
                {"partner_id": cls.contact.id}
            ),
            "secure.pin": env["secure.pin"]._of(cls.contact),
            "secure.grant": grant,
            "res.partner": cls.contact,
        }
        env.flush_all()
        return records

    @classmethod
    def _make_consent(cls, grant):
        """The answer of the sender's contact to a text of their company."""
        cls.company.secure_consent_text = "May we write to you?"
        texts = cls.env["secure.consent.text"]
        version = texts._current(cls.company)
        cls.env["secure.consent"]._record(grant, "agreed", version, "192.0.2.1")
        consents = cls.env["secure.consent"]
        return {
            "secure.consent": consents._last_for(cls.contact, cls.company),
            "secure.consent.text": version,
        }

    def record_of(self, model):
        """One record of a model; where there is none, the name of one that is not."""
        known = self.records.get(model)
        if known is not None:
            return known.sudo()
        records = self.env[model].sudo()
        if records._abstract:
            return records.browse(1)
        return records.search([], limit=1) or records.browse(1)

    def our_models(self):
        return [
            name
            for name, model in self.registry.items()
            if (model._original_module or "").startswith(OURS)
        ]

    # -- three ways of calling -------------------------------------------------------

    def by_code(self, person, model, method, ids, kwargs):
        env = self.env(user=self.people[person], su=False)
        try:
            return call_kw(env[model], method, *_split(ids, kwargs))
        except UserError as refusal:
            raise Refused(str(refusal)) from refusal

    def by_session(self, person, model, method, ids, kwargs):
        """As the web client does."""
        args, kwargs = _split(ids, kwargs)
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        try:
            return self.make_jsonrpc_request(SESSION_RPC, params)
        except JsonRpcException as refusal:
            raise Refused(str(refusal)) from refusal

    def by_key(self, person, model, method, ids, kwargs):
        """As a program does, with an API key."""
        answer = self.url_open(
            f"/json/2/{model}/{method}",
            json={**({"ids": ids} if ids else {}), **kwargs},
            headers=self.key_headers(person),
        )
        if answer.status_code != 200:
            self.assertIn(answer.status_code, (401, 403, 404, 422), answer.text)
            raise Refused(answer.text)
        return answer.json()

    def key_headers(self, person):
        key = self.keys.get(person)
        return {"Authorization": f"Bearer {key}"} if key else {}

    def log_in_as(self, person):
        user = self.people[person]
        if person == "public":
            self.authenticate(None, None)
        else:
            self.authenticate(user.login, f"{user.login}-{user.login}")

    @contextlib.contextmanager
    def undone(self):
        """Whatever happens inside has not happened."""
        with self.env.cr.savepoint() as point:
            yield
            point.rollback()
            self.env.invalidate_all()

    def let_through(self, call, person, model, method, ids, kwargs):
        """What a call answers; None, whatever the reason it was refused for."""
        with self.undone(), mute_logger("odoo.http", "odoo.sql_db"):
            try:
                return call(person, model, method, ids, kwargs) or True
            except Refused:
                return None


@tagged("post_install", "-at_install")
class TestTable(RightsCase):
    def test_every_model_has_a_row(self):
        missing = set(self.our_models()) - set(rights.MODELS)
        self.assertFalse(missing, "add them to MODELS in tests/rights.py")
        unknown = {
            person for _title, row in rights.MODELS.values() for person in row
        } - set(rights.PEOPLE)
        self.assertFalse(unknown)

    def test_every_method_has_a_row(self):
        """All that a client can call and this module defines."""
        missing = {
            (model, method)
            for model in self.registry
            for method in self.public_methods(model)
            if method not in rights.METHODS.get(model, ())
            and method not in rights.COMMON
            and (model in rights.MODELS or model in rights.METHODS)
        }
        self.assertFalse(missing, "add them to METHODS in tests/rights.py")

    def public_methods(self, model):
        """Those that this module defines or narrows."""
        cls = self.registry[model]
        for name in dir(cls):
            if name.startswith("_") or name in cls._fields:
                continue
            defined = [one for one in cls.mro() if name in vars(one)]
            if not any(f".{OURS}" in one.__module__ for one in defined):
                continue
            if not callable(getattr(cls, name, None)):
                continue
            with contextlib.suppress(AccessError):
                get_public_method(self.env[model], name)
                yield name

    def test_the_document_says_the_same(self):
        with file_open(f"{OURS}/docs/rights.md") as stream:
            page = stream.read()
        self.assertEqual(page, rights.in_page(page), "run python3 tests/rights.py")
        for model, (title, _row) in rights.MODELS.items():
            if title:
                self.assertIn(title, page, model)


@tagged("post_install", "-at_install")
class TestOperations(RightsCase):
    """Statement 41, by three ways of calling."""

    def arguments(self, model, operation):
        ids = self.record_of(model).ids
        name = self.registry[model]._rec_name or "display_name"
        values = WRITTEN.get(model, {name: False})
        return {
            "find": ("search", [], {"domain": [("id", "in", ids)]}),
            "read": ("read", ids, {}),
            "export": ("export_data", ids, {"fields_to_export": ["display_name"]}),
            "write": ("write", ids, {"vals": values}),
            "create": ("create", [], {"vals_list": [{}]}),
            "delete": ("unlink", ids, {}),
            "copy": ("copy", ids, {}),
        }[operation]

    def check(self, call, models):
        seen, expected = {}, {}
        for person in rights.PEOPLE:
            if call == self.by_session:
                self.log_in_as(person)
            for model in models:
                row = rights.MODELS[model][1]
                expected[person, model] = _in_order(row.get(person, "").split())
                with self.gateways():
                    seen[person, model] = [
                        operation
                        for operation in rights.OPERATIONS
                        if self.does(call, person, model, operation)
                    ]
        self.assertDictEqual(*_different(seen, expected))

    def does(self, call, person, model, operation):
        method, ids, kwargs = self.arguments(model, operation)
        answer = self.let_through(call, person, model, method, ids, kwargs)
        # A search that finds nothing is refused, too
        return answer is not None and (operation != "find" or answer is not True)

    def test_statement_41_in_python(self):
        self.check(self.by_code, rights.MODELS)

    def test_statement_41_by_the_web_client(self):
        self.check(self.by_session, self.with_tables())

    def test_statement_41_by_key(self):
        self.check(self.by_key, self.with_tables())

    def with_tables(self):
        return [model for model in rights.MODELS if not self.env[model]._abstract]

    def test_statement_42_the_log_by_anybody(self):
        """Nobody writes it, not even with full rights."""
        admin = self.env.ref("base.user_admin")
        log = self.records["secure.access.log"]
        for user in (*self.people.values(), admin):
            for su in (False, True):
                row = log.with_user(user).sudo(su)
                for change in (
                    lambda row=row: row.write({"kind": "read"}),
                    lambda row=row: row.create({"kind": "read"}),
                    row.unlink,
                    row.copy,
                ):
                    with self.subTest(user=user.login, su=su):
                        with self.assertRaises(AccessError):
                            change()


def _different(seen, expected):
    """Both, without what is as it should be."""
    names = [name for name in expected if seen[name] != expected[name]]
    return tuple({name: each[name] for name in names} for each in (seen, expected))


def _in_order(operations):
    return [one for one in rights.OPERATIONS if one in operations]


@tagged("post_install", "-at_install")
class TestMethods(RightsCase):
    ARGUMENTS = {
        ("secure.thread", "action_open_about"): {
            "res_model": "res.partner",
            "res_id": 1,
        },
        ("secure.thread", "message_post"): {"body": "x"},
        ("secure.thread", "message_notify"): {"body": "x"},
        ("secure.thread", "action_withdraw_message"): {"message_id": 0},
        ("secure.thread", "message_new"): {"msg_dict": {}},
        ("secure.thread", "message_change_thread"): {"new_thread": None},
        ("secure.compose", "action_about"): {"res_model": "res.partner", "res_ids": []},
        ("secure.compose", "add_recipient"): {"text": "clara@client.example"},
        ("secure.compose", "generate_pin"): {"partner_ids": []},
    }

    def test_statement_41_buttons(self):
        seen, expected = {}, {}
        for model, methods in rights.METHODS.items():
            for method, allowed in methods.items():
                expected[model, method] = [p for p in rights.PEOPLE if p in allowed]
                seen[model, method] = [
                    person
                    for person in rights.PEOPLE
                    if self.passes(person, model, method)
                ]
        self.assertDictEqual(*_different(seen, expected))

    def passes(self, person, model, method):
        """Whether rights let somebody through; that there is nothing to do in a
        record's state is not a question of rights."""
        kwargs = self.ARGUMENTS.get((model, method), {})
        function = getattr(self.registry[model], method)
        ids = (
            [] if getattr(function, "_api_model", False) else self.record_of(model).ids
        )
        env = self.env(user=self.people[person], su=False)
        with self.undone(), self.gateways(), mute_logger("odoo.sql_db"):
            try:
                call_kw(env[model], method, [ids] if ids else [], dict(kwargs))
            except AccessError:
                return False
            except UserError as refusal:
                return refusal.args[0] not in self.closed_roads()
            return True

    def closed_roads(self):
        """Refusals that are for everybody."""
        threads = self.env["secure.thread"]
        texts = []
        for refused in (
            lambda: threads.message_new({}),
            lambda: threads.message_change_thread(threads),
        ):
            with self.assertRaises(UserError) as refusal:
                refused()
            texts.append(refusal.exception.args[0])
        return texts


@tagged("post_install", "-at_install")
class TestOtherMethods(RightsCase):
    """All that a client can call of a model, Odoo's own methods among it, by people who
    may not see the record: tells nothing, changes nothing."""

    ODOO_TABLES = (
        "ir_attachment",
        "mail_activity",
        "mail_followers",
        "mail_mail",
        "mail_message",
        "mail_notification",
        "res_partner",
        "sms_sms",
    )
    MANY = 600
    """How many calls are answered to each person at least, of some 2,000: what fails
    for the arguments it is given shows nothing of rights."""
    GUESSES = {
        "act_type_xmlids": [],
        "aggregates": ["__count"],
        "data": {},
        "default": None,
        "domain": [],
        "export_data": {},
        "field_name": "display_name",
        "field_names": ["display_name"],
        "fields": ["display_name"],
        "fields_to_export": ["display_name"],
        "fnames": ["display_name"],
        "groupby": ["id"],
        "grouping_sets": [["id"]],
        "limit": 10,
        "message": "x",
        "name": "S",
        "operation": "read",
        "order": "id",
        "partner_ids": [],
        "specification": {"display_name": {}},
        "values": {},
        "vals": {},
        "vals_list": [{}],
        "views": [[False, "form"]],
    }

    def test_statement_41_no_method_tells_or_changes(self):
        tables = self.tables()
        before = self.rows_of(*tables)
        for person in ("colleague", "clerk"):
            answered = 0
            for model in rights.MODELS:
                for name, method in inspect.getmembers(self.registry[model], callable):
                    if not self.is_callable(model, name):
                        continue
                    with self.subTest(person=person, model=model, method=name):
                        after = self.call(person, model, name, method, tables)
                        answered += after is not None
                        if after is not None:
                            self.assertEqual(after, before, (person, model, name))
            self.assertGreater(answered, self.MANY, person)

    def is_callable(self, model, name):
        with contextlib.suppress(AccessError, AttributeError):
            return bool(get_public_method(self.env[model], name))
        return False

    def call(self, person, model, name, method, tables):
        """Call it, and see that it tells nothing.

        :return: what stands in tables after it; None for a call that was refused, all
            of which Odoo undoes
        """
        ids = [] if getattr(method, "_api_model", False) else self.record_of(model).ids
        after = None
        with self.undone(), mute_logger("odoo.sql_db", "odoo.models", "odoo.fields"):
            env = self.env(user=self.people[person], su=False)
            kwargs = self.guessed(method)
            try:
                answer = call_kw(env[model], name, *_split(ids, kwargs))
                after = self.rows_of(*tables)
            except Exception as refusal:  # whatever comes of a wild guess
                answer = str(refusal)
        for secret in (CANARY, CANARY_SUBJECT, CANARY_FILE, CANARY_FILE_NAME):
            self.assertFalse(Needle(secret).is_in(str(answer)))
        return after

    def guessed(self, method):
        """Arguments by what they are called."""
        kwargs = {}
        for name, parameter in list(inspect.signature(method).parameters.items())[1:]:
            wanted = parameter.default is parameter.empty
            if wanted and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                kwargs[name] = self.GUESSES.get(name)
        return kwargs

    def tables(self):
        """Ours but for forms, which people make for themselves; and Odoo's, in which
        what belongs to a conversation stands."""
        ours = [
            self.env[model]._table
            for model in rights.MODELS
            if not (self.env[model]._abstract or self.env[model]._transient)
        ]
        return (*ours, *self.ODOO_TABLES)


@tagged("post_install", "-at_install")
class TestColumns(RightsCase):
    """Sealed columns, hashes and keys of rows are for nobody: not read, not searched,
    not sorted or grouped by, not by way of other models."""

    def columns(self):
        for model, cls in self.registry.items():
            if cls._abstract:
                continue
            for name, field in cls._fields.items():
                ours = (field._module or "").startswith(OURS)
                if field.groups == NO_ACCESS and (ours or name.startswith("secure_")):
                    yield model, name

    def the_mightiest(self):
        names = ("portal", "sender", "administrator", "system")
        admin = self.env.ref("base.user_admin")
        return (*(self.people[name] for name in names), admin)

    def test_there_are_some(self):
        known = set(self.columns())
        for column in (
            ("ir.attachment", "secure_name"),
            ("mail.mail", "secure_body"),
            ("mail.message", "secure_body"),
            ("secure.grant", "cookie_hash"),
            ("secure.grant", "handle"),
            ("secure.link", "nonce"),
            ("secure.link", "public_id"),
            ("secure.pin", "hash_sealed"),
            ("secure.thread", "subject_sealed"),
        ):
            self.assertIn(column, known)

    def test_statement_23_no_way_to_a_column(self):
        open_ways = []
        for model, name in self.columns():
            ids = self.record_of(model).ids
            for user in self.the_mightiest():
                records = self.env[model].with_user(user)
                open_ways += [
                    (model, name, user.login, way)
                    for way, ask in self.ways(name).items()
                    if not self.refuses(ask, records.browse(ids))
                ]
                with contextlib.suppress(AccessError):
                    self.assertNotIn(name, records.fields_get())
        self.assertFalse(open_ways)

    def test_the_eye_sees(self):
        """What is open is seen to be open, each way: else the above proves nothing."""
        own = self.sent.thread.with_user(self.sender)
        for name in ("display_name", "name"):
            read = self.ways(name)["read"]
            self.assertFalse(self.refuses(read, own), name)
        for way, ask in self.ways("name").items():
            with self.subTest(way=way):
                self.assertFalse(self.refuses(ask, own))
                self.assertTrue(self.refuses(ask, own.with_user(self.clerk)))

    def ways(self, name):
        """How a column is asked for; what comes back counts, not what is in it."""
        return {
            "read": lambda one: one.read([name]) and one,
            "search": lambda one: one.search([(name, "!=", False)]),
            "like": lambda one: one.search([(name, "=like", "a%")]),
            "export": lambda one: one.export_data([name]),
            **self.common_ways(name),
        }

    def common_ways(self, name):
        return {
            "sort": lambda one: one.search([], order=name, limit=1),
            "group": lambda one: one.formatted_read_group([], [name], ["__count"]),
            "count": lambda one: one.formatted_read_group([], [], [f"{name}:count"]),
            "web": lambda one: one.web_search_read([], {name: {}}, limit=1),
        }

    def refuses(self, ask, records):
        """Also where Odoo sees that there is nothing to tell, and asks no further."""
        try:
            with self.env.cr.savepoint():
                answer = ask(records)
        except MissingError:
            # Whoever is told so was let as far as the rows
            return False
        except (AccessError, UserError, ValueError, KeyError):
            return True
        counted = [
            value
            for group in (answer if isinstance(answer, list) else [{"count": 1}])
            for name, value in group.items()
            if name.endswith("count")
        ]
        return not any(counted)

    def test_statement_23_nor_by_way_of_another_model(self):
        """Whoever may read a conversation cannot ask for what stands behind it."""
        paths = {
            "secure.link": [
                "thread_id.secure_uid",
                "thread_id.subject_sealed",
                "thread_id.message_ids.secure_body",
                "renewal_of_id.nonce",
            ],
            "secure.thread": [
                "link_ids.public_id",
                "link_ids.fingerprint",
                "message_ids.secure_subject",
                "message_ids.attachment_ids.secure_name",
            ],
            "secure.dispatch": ["sealed_subject", "line_ids.thread_id.subject_sealed"],
            "secure.dispatch.line": ["link_id.nonce", "dispatch_id.sealed_pin"],
            "res.partner": ["message_ids.secure_body"],
            "mail.message": ["attachment_ids.secure_mimetype"],
        }
        open_ways = []
        for person in ("sender", "administrator"):
            for model, names in paths.items():
                records = self.env[model].with_user(self.people[person])
                for name in names:
                    ways = {
                        "search": lambda one, name=name: one.search(
                            [(name, "!=", False)]
                        ),
                        "deep": lambda one, name=name: one.search(
                            [_nested(name.split("."))]
                        ),
                        **self.common_ways(name),
                    }
                    open_ways += [
                        (person, model, name, way)
                        for way, ask in ways.items()
                        if not self.refuses(ask, records)
                    ]
        self.assertFalse(open_ways)

    def test_what_is_taken_over_from_them_is_closed_as_well(self):
        """Fields that repeat a sealed column in another model."""
        closed = set(self.columns())
        for model, cls in self.registry.items():
            for name, field in cls._fields.items():
                origin = field.related and field.related.split(".")
                if not origin or len(origin) < 2:
                    continue
                target = self.registry[model]
                for step in origin[:-1]:
                    target = self.registry[target._fields[step].comodel_name]
                if (target._name, origin[-1]) in closed:
                    self.assertEqual(field.groups, NO_ACCESS, f"{model}.{name}")


def _nested(path):
    """A domain that asks for a path with a domain of its own at each step."""
    if len(path) == 1:
        return (path[0], "!=", False)
    return (path[0], "any", [_nested(path[1:])])


# -- what a client may say in the context ---------------------------------------------

CONTEXT_KEYS = (
    "active_domain",
    "active_id",
    "active_ids",
    "active_model",
    "default_ask_consent",
    "default_model",
    "default_res_id",
    "default_res_model",
    "default_secure_send",
    "install_mode",
    "lang",
    "no_mail_to_attendees",
    "record",
    "records",
    "reset_template",
    "secure_automatic",
    "secure_exact_contacts",
    "secure_leaving",
    "secure_own_code",
    "secure_reminders",
    "secure_rendering",
    "secure_seal_files",
    "secure_standard",
    "secure_taken_files",
    "secure_tracking",
)
"""All that this module's code reads from the context."""
ODOO_KEYS = (
    "allowed_company_ids",
    "bin_size",
    "bypass_access",
    "default_secure_template",
    "default_send_securely",
    "mail_create_nolog",
    "mail_notify_force_send",
    "mail_notrack",
    "prefetch_fields",
    "secure_send",
    "send_securely",
    "skip_res_field_check",
    "su",
    "sudo",
    "tracking_disable",
    "uid",
)
"""Odoo's own, and what somebody may hope for."""
HOSTILE = (True, False, "<own code>", 1, [], {"x": 1})


@tagged("post_install", "-at_install")
class TestContext(RightsCase):
    """What a client puts into the context opens nothing and turns nothing off."""

    def test_every_key_is_known(self):
        """Those that the code reads, found in its text."""
        root = pathlib.Path(file_path(f"{OURS}/__manifest__.py")).parent
        found = set()
        for folder in ("controllers", "models", "tools", "wizard"):
            for path in root.rglob(f"{folder}/*.py"):
                text = path.read_text()
                found.update(re.findall(r'context\.get\(\s*"(\w+)"', text))
                found.update(re.findall(r'context\[\s*"(\w+)"', text))
                found.update(re.findall(r'"(\w+)" (?:not )?in [\w.]*context\b', text))
                found.update(re.findall(r'^[A-Z_]*KEY = "(\w+)"', text, re.MULTILINE))
        missing = found - set(CONTEXT_KEYS)
        self.assertFalse(missing, "add them to CONTEXT_KEYS in tests/test_rights.py")

    def contexts(self, *values):
        """Each key by itself with each of some values, and all of them at once."""
        keys = (*CONTEXT_KEYS, *ODOO_KEYS)
        for key in keys:
            for value in values:
                yield {key: value}
        for value in HOSTILE:
            yield {
                key: value for key in keys if key not in ("allowed_company_ids", "lang")
            }

    def test_statement_41_no_context_opens(self):
        asked = {
            "secure.thread": ["subject", "message_ids"],
            "secure.dispatch": ["subject", "body"],
            "secure.compose": ["subject", "body", "pin"],
            "ir.attachment": ["secure_display_name", "name", "raw"],
            "mail.message": ["body", "subject", "preview"],
        }
        ids = {
            **{model: self.record_of(model).ids for model in list(asked)[:3]},
            "ir.attachment": self.sent.message.attachment_ids.ids,
            "mail.message": self.sent.message.ids,
        }
        needles = [
            Needle(text)
            for text in (CANARY, CANARY_SUBJECT, CANARY_FILE, CANARY_FILE_NAME)
        ]
        for person in ("clerk", "colleague", "foreigner"):
            env = self.env(user=self.people[person], su=False)
            for context in self.contexts(True):
                for model, names in asked.items():
                    for method, args in (
                        ("read", [ids[model], names]),
                        ("search_read", [[("id", "in", ids[model])], names]),
                    ):
                        self.env.invalidate_all()
                        try:
                            answer = call_kw(
                                env[model], method, args, {"context": context}
                            )
                        except Exception as refusal:  # odd contexts, odd refusals
                            answer = refusal
                        told = [n.text for n in needles if n.is_in(str(answer))]
                        self.assertFalse(told, (person, context, model, method))

    # -- sending -------------------------------------------------------------------

    def roads(self):
        """What staff can set off by RPC that is marked secure."""
        partners = self.env["ir.model"]._get_id("res.partner")
        email = self.env["mail.template"].create(
            {
                "name": "Result",
                "model_id": partners,
                "subject": CANARY_SUBJECT,
                "body_html": f"<p>{CANARY}</p>",
                "partner_to": "{{ object.id }}",
                "use_default_to": False,
                "send_securely": True,
            }
        )
        sms = self.env["sms.template"].create(
            {
                "name": "Result",
                "model_id": partners,
                "body": CANARY,
                "send_securely": True,
            }
        )
        contact = self.contact.id
        return {
            "template": [("mail.template", "send_mail", [email.id, contact])],
            "post": [
                (
                    "res.partner",
                    "message_post",
                    [contact],
                    {
                        "body": CANARY,
                        "subject": CANARY_SUBJECT,
                        "message_type": "comment",
                        "subtype_xmlid": "mail.mt_comment",
                        "partner_ids": [contact],
                        "send_securely": True,
                    },
                )
            ],
            "composer": [
                (
                    "mail.compose.message",
                    "create",
                    {
                        "model": "res.partner",
                        "res_ids": str([contact]),
                        "template_id": email.id,
                        "partner_ids": [(6, 0, [contact])],
                    },
                ),
                ("mail.compose.message", "action_send_mail"),
            ],
            "SMS composer": [
                (
                    "sms.composer",
                    "create",
                    {
                        "composition_mode": "mass",
                        "res_model": "res.partner",
                        "res_ids": str([contact]),
                        "template_id": sms.id,
                    },
                ),
                ("sms.composer", "action_send_sms"),
            ],
        }

    def travel(self, steps, context):
        """One road, as the sender's web client goes it."""
        env, made = self.env(user=self.sender, su=False), None
        for model, method, *args in steps:
            kwargs = {"context": context}
            if len(args) == 2:
                kwargs.update(args.pop())
            if method == "create":
                made = call_kw(env[model], method, args, kwargs)
            elif made:
                call_kw(env[model], method, [[made]], kwargs)
            elif method == "send_mail":
                template, record = args[0]
                kwargs["force_send"] = True
                call_kw(env[model], method, [[template], record], kwargs)
            else:
                call_kw(env[model], method, [args[0]], kwargs)

    def test_no_context_makes_secure_go_as_standard(self):
        self.sender.group_ids += self.env.ref("base.group_partner_manager")
        off = [{"default_secure_send": value} for value in (False, 0, None, "")]
        hostile = [None, *off, *self.contexts(True)]
        for road, steps in self.roads().items():
            arrived = 0
            for context in hostile:
                with self.undone(), self.gateways(), mute_logger("odoo.sql_db"):
                    before = len(self.left_the_house)
                    try:
                        self.travel(steps, context or {})
                        self.env.flush_all()
                        self.leave()
                    except Exception as refusal:  # a refusal is as good
                        if context is None:
                            raise AssertionError(road) from refusal
                    left = " ".join(
                        text for _road, text in self.left_the_house[before:]
                    )
                    arrived += "/sm/" in left
                    for secret in (CANARY, CANARY_SUBJECT):
                        found = Needle(secret).is_in(left + self.left_text())
                        self.assertFalse(found, (road, context))
            self.assertGreater(arrived, len(hostile) // 2, road)


@tagged("post_install", "-at_install")
class TestRoutes(RightsCase):
    """Odoo's own addresses that show what is stored, as people who may not see it."""

    def setUp(self):
        super().setUp()
        self.needles = [
            Needle(text)
            for text in (CANARY, CANARY_SUBJECT, CANARY_FILE, CANARY_FILE_NAME)
        ]

    def pages(self):
        thread, message = self.sent.thread.id, self.sent.message.id
        file = self.sent.message.attachment_ids.id
        dispatch = self.records["secure.dispatch"].id
        form = self.records["secure.compose"].id
        return [
            f"/odoo/secure.thread/{thread}",
            f"/mail/view?model=secure.thread&res_id={thread}",
            f"/mail/message/{message}",
            f"/web/content/{file}",
            f"/web/content/{file}?download=1",
            f"/web/content/ir.attachment/{file}/raw",
            f"/web/content/ir.attachment/{file}/secure_name",
            f"/web/content/mail.message/{message}/secure_body",
            f"/web/content/secure.thread/{thread}/subject_sealed",
            f"/web/content/secure.thread/{thread}/subject",
            f"/web/content/secure.dispatch/{dispatch}/body",
            f"/web/content/secure.compose/{form}/body",
            f"/web/image/{file}",
            f"/web/image/ir.attachment/{file}/raw/200x200",
            f"/web/image/secure.thread/{thread}/subject",
            f"/mail/attachment/zip?file_ids={file}&zip_name=a.zip",
            f"/mail/thread/data?thread_model=secure.thread&thread_id={thread}",
            f"/json/1/secure.thread/{thread}",
            f"/my/conversations/{thread}",
            f"/web_editor/attachment/{file}",
        ]

    def questions(self):
        where = {"thread_model": "secure.thread", "thread_id": self.sent.thread.id}
        ids = self.sent.message.ids
        return [
            ("/mail/thread/messages", where),
            (
                "/mail/thread/data",
                {**where, "request_list": ["attachments", "followers"]},
            ),
            ("/mail/chatter_fetch", where),
            ("/portal/chatter_init", where),
            ("/mail/inbox/messages", {}),
            ("/mail/history/messages", {}),
            ("/mail/starred/messages", {}),
            ("/mail/data", {"fetch_params": [["secure.thread", self.sent.thread.id]]}),
            ("/mail/message/translate", {"message_id": ids[0]}),
            ("/mail/link_preview", {"message_id": ids[0]}),
            ("/mail/message/update_content", {"message_id": ids[0], "update_data": {}}),
            (
                "/mail/message/reaction",
                {"message_id": ids[0], "content": "x", "action": "add"},
            ),
            ("/mail/read_subscription_data", {"follower_id": 1}),
            ("/discuss/search", {"term": CANARY}),
            (
                SESSION_RPC,
                {
                    "model": "mail.message",
                    "method": "search_read",
                    "args": [[("body", "ilike", CANARY)]],
                    "kwargs": {},
                },
            ),
            (
                SESSION_RPC,
                {
                    "model": "ir.attachment",
                    "method": "search_read",
                    "args": [[("index_content", "ilike", CANARY_FILE)]],
                    "kwargs": {},
                },
            ),
        ]

    def assertNothing(self, text, *where):
        told = [needle.text for needle in self.needles if needle.is_in(text)]
        self.assertFalse(told, where)

    def test_statement_41_pages(self):
        for person in ("public", "portal", "clerk", "colleague", "system", "foreigner"):
            self.log_in_as(person)
            for path in self.pages():
                with mute_logger(
                    "odoo.http", "odoo.addons.http_routing.models.ir_http"
                ):
                    answer = self.url_open(path, allow_redirects=False)
                self.assertLess(answer.status_code, 500, (person, path))
                # How an address was asked for may be quoted back
                shown = answer.text + str(answer.headers)
                self.assertNothing(shown, person, path)

    def test_statement_41_questions(self):
        for person in ("public", "portal", "clerk", "colleague", "system", "foreigner"):
            self.log_in_as(person)
            for route, params in self.questions():
                quoted = CANARY in str(params) or CANARY_FILE in str(params)
                try:
                    with mute_logger("odoo.http"):
                        answer = self.make_jsonrpc_request(route, params)
                except (JsonRpcException, requests.HTTPError) as refusal:
                    answer = str(refusal)
                if quoted and isinstance(answer, list):
                    self.assertEqual(answer, [], (person, route))
                self.assertNothing(str(answer), person, route)

    def test_the_sender_does_see_it(self):
        """Else the silence above would prove nothing."""
        self.log_in_as("sender")
        where = {"thread_model": "secure.thread", "thread_id": self.sent.thread.id}
        answer = str(self.make_jsonrpc_request("/mail/thread/messages", where))
        self.assertIn(CANARY, answer)
        self.assertIn(CANARY_FILE_NAME, answer)
        file = self.url_open(f"/web/content/{self.sent.message.attachment_ids.id}")
        self.assertEqual(file.text, CANARY_FILE)


@tagged("post_install", "-at_install")
class TestTemplates(RightsCase):
    """What a text with dynamic fields reaches. Editors of templates are trusted with
    everything (docs/decisions.md); all others write no expressions at all."""

    EXPRESSIONS = (
        "object.subject",
        "object.sudo().subject",
        "object._open_subject()",
        "object.subject_sealed",
        "object.message_ids[:1].secure_body",
        "object.message_ids._secure_clear()",
        "object.message_ids.attachment_ids._secure_data()",
        "object.link_ids._urls()",
        "object.env['secure.pin'].sudo().search([]).hash_sealed",
        "object.env['secure.keyring']._ring()._keys",
    )

    def test_staff_write_no_expressions(self):
        """Restricted as Odoo is by default, in each text they can fill in."""
        restricted = self.env["ir.config_parameter"].sudo()
        self.assertTrue(restricted.get_param("mail.restrict.template.rendering"))
        editors = self.env.ref("mail.group_mail_template_editor")
        for user in (self.sender, self.manager, self.clerk):
            user.group_ids -= editors
            self.assertFalse(user.has_group("mail.group_mail_template_editor"))
            for expression in self.EXPRESSIONS:
                for text, engine in (
                    ("{{ " + expression + " }}", "inline_template"),
                    (f'<t t-out="{expression}"/>', "qweb"),
                ):
                    mixin = self.env["mail.render.mixin"].with_user(user)
                    with self.subTest(user=user.login, text=text):
                        with (
                            self.assertRaises(AccessError),
                            mute_logger("odoo.addons.mail.models.mail_render_mixin"),
                        ):
                            mixin._render_template(
                                text, "secure.thread", self.sent.thread.ids, engine
                            )

    def test_what_shows_by_itself_asks_the_user(self):
        """Fields of a conversation, even with full rights, show nothing to who may not
        read it: not to an editor either, unless they write code that goes around it."""
        editor = self._user("editor", "base.group_user,mail.group_mail_template_editor")
        mixin = self.env["mail.render.mixin"].with_user(editor)
        for expression in ("object.sudo().subject", "object.sudo().message_ids.body"):
            [text] = (
                mixin.sudo()
                ._render_template(
                    "{{ " + expression + " }}", "secure.thread", self.sent.thread.ids
                )
                .values()
            )
            self.assertNotIn(CANARY, text)
            self.assertNotIn(CANARY_SUBJECT, text)

    def test_no_email_of_a_conversation_whoever_writes_it(self):
        """An editor's template on conversations or on what belongs to them."""
        editor = self._user(
            "editor",
            "base.group_user,mail.group_mail_template_editor,"
            "secure_messaging.group_manager",
        )
        for model in ("secure.thread", "secure.link", "secure.dispatch"):
            template = (
                self.env["mail.template"]
                .with_user(editor)
                .sudo()
                .create(
                    {
                        "name": "Leak",
                        "model_id": self.env["ir.model"]._get_id(model),
                        "subject": "{{ object.display_name }}",
                        "body_html": "<p><t t-out='object.display_name'/></p>",
                        "email_to": "spy@elsewhere.example",
                    }
                )
            )
            with self.gateways(), mute_logger("odoo.addons.mail.models.mail_mail"):
                try:
                    template.with_user(editor).send_mail(
                        self.records[model].id, force_send=True
                    )
                except UserError:
                    continue
                self.assertNotIn(CANARY_SUBJECT, self.left_text())


@tagged("post_install", "-at_install")
class TestFullRights(SecureCase):
    """Statement 43, as far as the text of the code shows it: the page's handlers work
    with full rights, so the first thing each does is to see who is there."""

    def handlers(self):
        folder = pathlib.Path(file_path(f"{OURS}/controllers"))
        for path in folder.glob("page*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and any(
                    "page_route" in ast.unparse(one) for one in node.decorator_list
                ):
                    yield node

    def test_statement_43_each_handler_looks_first(self):
        names = []
        for handler in self.handlers():
            said = ast.get_docstring(handler) is not None
            first = ast.unparse(handler.body[1 if said else 0])
            self.assertRegex(first, r"self\._(link|grant)\(", handler.name)
            names.append(handler.name)
        self.assertEqual(len(names), len(self.page_routes()), "one for each route")

    def test_statement_43_no_other_full_rights(self):
        """In one place, which the handlers come to after they have looked."""
        folder = pathlib.Path(file_path(f"{OURS}/controllers"))
        text = "".join(path.read_text() for path in folder.glob("*.py"))
        self.assertNotRegex(text, r"\.sudo\(|\.with_user\(|\bEnvironment\(")
        self.assertEqual(text.count("SUPERUSER_ID, su=True"), 1)
        self.assertEqual(text.count("su=True"), 1)
