"""“Send Securely” on Odoo's screens: what the web client is told, what it sends, and
what the forms say."""

import json

from odoo.exceptions import UserError
from odoo.http import Request
from odoo.tests import Form, JsonRpcException, tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval

from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, PIN
from .test_roads import RoadCase


class ScreenCase(RoadCase):
    def facts(self, login="clerk", document=None):
        """What the chatter of a document is told."""
        document = document or self.contact
        self.authenticate(login, f"{login}-{login}")
        request = {
            "thread_model": document._name,
            "thread_id": document.id,
            "request_list": ["secure_messaging"],
        }
        data = self.make_jsonrpc_request(
            "/mail/data", {"fetch_params": [["mail.thread", request]]}
        )
        [row] = data.get("mail.thread", [{}])
        return row

    def post(self, login="writer", **post_data):
        """What the chatter sends."""
        self.authenticate(login, f"{login}-{login}")
        return self.make_jsonrpc_request(
            "/mail/message/post",
            {
                "thread_model": "res.partner",
                "thread_id": self.contact.id,
                "post_data": {
                    "body": f"<p>{CANARY}</p>",
                    "message_type": "comment",
                    "subtype_xmlid": "mail.mt_comment",
                    "send_securely": True,
                    **post_data,
                },
            },
        )

    def upload_to_chatter(self, login="writer", data=CANARY_FILE, **fields):
        self.authenticate(login, f"{login}-{login}")
        answer = self.url_open(
            "/mail/attachment/upload",
            data={
                "csrf_token": Request.csrf_token(self),
                "thread_model": "res.partner",
                "thread_id": self.contact.id,
                "is_pending": "true",
                **fields,
            },
            files={"ufile": (CANARY_FILE_NAME, data.encode(), "text/plain")},
        )
        data = answer.json()["data"]
        return self.env["ir.attachment"].browse(data["attachment_id"]), data


@tagged("post_install", "-at_install")
class TestChatterSwitch(ScreenCase):
    def test_told_as_the_client_starts(self):
        self.company.secure_send_default = True
        told = {}
        for login in ("clerk", "portal7"):
            self.authenticate(login, f"{login}-{login}")
            session = self.make_jsonrpc_request("/web/session/get_session_info", {})
            told[login] = session["storeData"]["Store"].get("secure_sending")
        self.assertEqual(told["clerk"], {"enabled": True, "preferred": True})
        self.assertIsNone(told["portal7"])
        self.company.secure_messaging_enabled = False
        self.authenticate("clerk", "clerk-clerk")
        session = self.make_jsonrpc_request("/web/session/get_session_info", {})
        self.assertNotIn("secure_sending", session["storeData"]["Store"])

    def test_told_by_the_document(self):
        off = {"enabled": False, "preferred": False}
        other = self.env["res.company"].create({"name": "Second Office"})
        self.assertTrue(self.facts()["secure_sending"]["enabled"])
        self.contact.company_id = other
        self.clerk.company_ids += other
        self.assertEqual(self.facts()["secure_sending"], off)
        self.contact.company_id = False
        self.company.secure_messaging_enabled = False
        self.assertEqual(self.facts()["secure_sending"], off)

    def test_number_of_conversations(self):
        """Of those one may read; with no look-up for who may read none."""
        self.send(res_model="res.partner", res_id=self.contact.id)
        self.assertEqual(self.facts("sender")["secure_thread_count"], 1)
        self.assertEqual(self.facts("manager")["secure_thread_count"], 1)
        self.assertEqual(self.facts("colleague")["secure_thread_count"], 0)
        self.assertNotIn("secure_thread_count", self.facts("clerk"))
        other = self.other_contact
        self.assertEqual(self.facts("sender", other)["secure_thread_count"], 0)
        self.assertNotIn("secure_sending", self.facts("portal7"))

    def test_one_query_for_the_number(self):
        document = self.contact.with_user(self.sender)
        document._secure_facts()
        with self.assertQueryCount(1):
            document._secure_facts()

    def test_way_to_the_conversations(self):
        threads = self.env["secure.thread"].with_user(self.sender)
        country = self.env.ref("base.be")
        first = self.send(res_model="res.country", res_id=country.id).thread
        action = threads.action_open_about("res.country", country.id)
        self.assertEqual(
            (action["res_id"], action["res_model"]), (first.id, "secure.thread")
        )
        second = self.send(
            partner=self.other_contact, res_model="res.country", res_id=country.id
        ).thread
        action = threads.action_open_about("res.country", country.id)
        self.assertEqual(threads.search(action["domain"]), first | second)

    def test_post(self):
        """As the web client does: the file sealed before, the contact by name."""
        file, data = self.upload_to_chatter(secure="1")
        token = data["store_data"]["ir.attachment"][0]["ownership_token"]
        with self.scan():
            answer = self.post(
                partner_ids=self.contact.ids,
                partner_emails=[],
                attachment_ids=file.ids,
                attachment_tokens=[token],
            )
            self.assertSent(self.contact)
        [thread] = self.threads()
        self.assertEqual(self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())])
        line = self.env["mail.message"].browse(answer["message_id"])
        self.assertIn(f'data-oe-id="{thread.id}"', line.body)
        self.assertIn('data-oe-model="secure.thread"', line.body)
        self.assertIn("fa-lock", line.body)

    def test_address_of_several(self):
        self.other_contact.email = self.contact.email
        with self.gateways(), mute_logger("odoo.http"):
            with self.assertRaises(JsonRpcException) as refused:
                self.post(partner_emails=[self.contact.email])
        self.assertIn("UserError", str(refused.exception))
        self.assertNothingSent()
        with self.gateways():
            self.post(partner_ids=self.other_contact.ids)
            self.assertSent(self.other_contact)

    def test_upload_is_sealed_at_once(self):
        with self.leak_scan() as scan:
            file, data = self.upload_to_chatter(secure="1")
            self.assertNoLeak(scan)
        [told] = data["store_data"]["ir.attachment"]
        self.assertEqual(told["name"], CANARY_FILE_NAME)
        self.assertTrue(told["secure_sealed"])
        self.assertNotIn(CANARY_FILE.encode(), file.raw)

    def test_upload_for_a_standard_message(self):
        file, data = self.upload_to_chatter(data="ordinary")
        self.assertEqual(file.raw, b"ordinary")
        self.assertNotIn("secure_sealed", data["store_data"]["ir.attachment"][0])


@tagged("post_install", "-at_install")
class TestComposerScreen(ScreenCase):
    def form(self, partners=None, **context):
        composers = self.env["mail.compose.message"].with_user(self.writer)
        context = {
            "default_composition_mode": "comment",
            "default_model": "res.partner",
            "default_res_ids": self.contact.ids,
            "default_partner_ids": (self.contact if partners is None else partners).ids,
            **context,
        }
        return Form(composers.with_context(**context))

    def test_choice_of_the_chatter(self):
        self.assertTrue(self.form(default_secure_send=True).secure_send)
        self.company.secure_send_default = True
        self.assertTrue(self.form().secure_send)
        form = self.form(default_secure_send=False)
        self.assertFalse(form.secure_send)
        form.body = "<p>plain</p>"
        self.assertFalse(form.save().secure_send)

    def test_choice_ends_with_the_form(self):
        """What an automation sends meanwhile goes as its template says."""
        for model, template in (
            ("mail.compose.message", self.template),
            ("sms.composer", self.sms_template),
        ):
            composers = self.env[model].with_user(self.writer)
            key = "default_res_model" if model == "sms.composer" else "default_model"
            context = {key: "res.partner", "default_template_id": template.id}
            for chosen in (False, True):
                with self.subTest(model=model, chosen=chosen):
                    template.send_securely = True
                    composer = composers.with_context(
                        **context, default_secure_send=chosen
                    ).create({})
                    self.assertTrue(composer.secure_send)

    def test_choice_does_not_reach_what_the_send_sets_off(self):
        seen = []
        stock = self.registry["res.partner"]._message_create

        def create(records, values_list):
            seen.append(records.env.context.get("default_secure_send", "none"))
            return stock(records, values_list)

        self.patch(self.registry["res.partner"], "_message_create", create)
        form = self.form(default_secure_send=True)
        form.body = f"<p>{CANARY}</p>"
        with self.scan():
            form.save().action_send_mail()
            self.assertSent(self.contact)
        self.assertEqual(set(seen), {"none"})

    def test_problem_is_told_before_sending(self):
        form = self.form(default_secure_send=True)
        self.assertFalse(form.secure_problem)
        form.partner_ids.clear()
        self.assertIn("followers alone", form.secure_problem)
        form.partner_ids.add(self.sender.partner_id)
        self.assertIn(f"colleagues: {self.sender.name}", form.secure_problem)
        form.partner_ids.clear()
        self.other_contact.email = False
        form.partner_ids.add(self.other_contact)
        self.assertIn("no email", form.secure_problem)
        form.secure_send = False
        self.assertFalse(form.secure_problem)
        self.company.secure_pin_required = True
        self.assertIn("PIN", self.form(default_secure_send=True).secure_problem)
        self.set_pin(self.contact, PIN)
        self.assertFalse(self.form(default_secure_send=True).secure_problem)

    def test_switch_is_shown_where_it_works(self):
        self.assertTrue(self.form().secure_offered)
        note = self.form(default_subtype_xmlid="mail.mt_note")
        self.assertFalse(note.secure_offered)
        self.company.secure_messaging_enabled = False
        self.assertFalse(self.form().secure_offered)
        form = self.form(default_template_id=self.template.id)
        self.assertTrue(form.secure_offered)
        self.assertIn("switched off", form.secure_problem)

    def test_buttons(self):
        """One button at a time, and each says what it does."""
        form = self.form(default_secure_send=True)
        self.assertEqual(self.buttons(form), {"Send Securely"})
        form.secure_send = False
        self.assertEqual(self.buttons(form), {"Send"})
        form.scheduled_date = "2099-01-01 10:00:00"
        self.assertEqual(self.buttons(form), {"Schedule"})
        form.secure_send = True
        self.assertEqual(self.buttons(form), {"Schedule Securely"})

    def buttons(self, form):
        """Labels of the buttons that are shown."""
        view = form._view
        values = {**form._values, "context": form._env.context}
        return {
            node.get("string")
            for node in view["tree"].xpath("//footer/button[@type='object']")
            if not safe_eval(node.get("invisible") or "False", dict(values))
        }


@tagged("post_install", "-at_install")
class TestSmsScreen(ScreenCase):
    def form(self, partners=None, **context):
        partners = partners or self.contact
        context = {"default_res_model": "res.partner", **context}
        if len(partners) > 1:
            context["default_composition_mode"] = "mass"
            context["default_res_ids"] = partners.ids
        else:
            context["default_composition_mode"] = "comment"
            context["default_res_id"] = partners.id
        composers = self.env["sms.composer"].with_user(self.writer)
        return Form(composers.with_context(**context))

    def test_default_and_choice(self):
        self.assertFalse(self.form().secure_send)
        self.company.secure_send_default = True
        self.assertTrue(self.form().secure_send)
        form = self.form(default_secure_send=False)
        form.body = "plain"
        self.assertFalse(form.save().secure_send)
        self.company.secure_messaging_enabled = False
        self.assertFalse(self.form().secure_offered)

    def test_problem_is_told_before_sending(self):
        self.other_contact.phone = False
        form = self.form(self.other_contact, default_secure_send=True)
        self.assertIn("no phone", form.secure_problem)
        self.assertFalse(self.form(default_secure_send=True).secure_problem)
        self.assertFalse(self.form(self.both, default_secure_send=True).secure_problem)

    def test_files_go_by_compose(self):
        """With the recipients and what was typed."""
        composers = self.env["sms.composer"].with_user(self.sender)
        one = {"composition_mode": "comment", "res_id": self.contact.id}
        many = {"composition_mode": "mass", "res_ids": json.dumps(self.both.ids)}
        numbers = {"composition_mode": "numbers", "numbers": self.contact.phone}
        for values, partners in (
            ({**one, "res_model": "res.partner"}, self.contact),
            ({**many, "res_model": "res.partner"}, self.both),
            (numbers, self.contact),
        ):
            with self.subTest(values=values):
                values["body"] = f"{CANARY} <3"
                action = composers.action_secure_compose(values)
                form = Form(
                    self.env[action["res_model"]]
                    .with_user(self.sender)
                    .with_context(**action["context"])
                )
                self.assertEqual(form.partner_ids[:], partners)
                self.assertEqual(form.channel, "sms")
                self.assertIn(f"{CANARY} &lt;3", form.body)
        with self.assertRaises(UserError):
            composers.action_secure_compose({"composition_mode": "comment"})


@tagged("post_install", "-at_install")
class TestMarkedScreens(ScreenCase):
    """Templates, server actions, and what switching off would stop."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # What the module brings along is marked, too
        ours = cls.template.search([("send_securely", "=", True)])
        (ours - cls.template).send_securely = False
        ours = cls.sms_template.search([("send_securely", "=", True)])
        (ours - cls.sms_template).send_securely = False
        marked = [("secure_send", "=", True)]
        cls.env["ir.actions.server"].search(marked).secure_send = False
        groups = "base.group_system,secure_messaging.group_admin"
        cls.admin = cls._user("admin7", groups)
        cls.action = cls.env["ir.actions.server"].create(
            {
                "name": "Send findings",
                "model_id": cls.partner_model.id,
                "state": "mail_post",
                "template_id": cls.template.id,
            }
        )

    def test_forms(self):
        for record, field in (
            (self.action, "secure_send"),
            (self.template, "send_securely"),
            (self.sms_template, "send_securely"),
        ):
            with self.subTest(model=record._name):
                self.assertTrue(record[field])
                with Form(record) as form:
                    form[field] = False
                self.assertFalse(record[field])
                for kind, path in (
                    ("form", f"//field[@name='{field}'][@widget='secure_switch']"),
                    ("list", f"//field[@name='{field}']"),
                    ("search", f"//filter[@name='{field}']"),
                ):
                    view_id = False
                    if record._name == "mail.template" and kind == "list":
                        view_id = self.env.ref("mail.email_template_tree").id
                    arch = record._get_view(view_id, kind)[0]
                    self.assertEqual(len(arch.xpath(path)), 1, kind)

    def test_action_follows_its_template_until_it_decides(self):
        with Form(self.action) as form:
            form.template_id = self.template.copy({"send_securely": False})
            self.assertFalse(form.secure_send)
            form.secure_send = True
        self.assertTrue(self.action.secure_send)

    def toggled(self, action, template):
        """What the action says after its template lost its mark, and got it again."""
        said = []
        for marked in (False, True, False):
            template.send_securely = marked
            said.append(action.secure_send)
        return said

    def test_what_forms_repeat_is_no_decision(self):
        with Form(self.env["ir.actions.server"]) as form:
            form.name = "From a form"
            form.model_id = self.partner_model
            form.state = "mail_post"
            form.template_id = self.template
        action = form.record
        self.assertTrue(action.secure_send)
        self.assertEqual(self.toggled(action, self.template), [False, True, False])
        self.template.send_securely = True
        with Form(action) as form:
            form.template_id = self.template.copy({"send_securely": False})
        with Form(action) as form:
            form.template_id = self.template
        self.assertEqual(self.toggled(action, self.template), [False, True, False])

    def test_decided_for_secure_stays(self):
        secure = [True, True, True]
        for decide in ({"secure_send": False}, {}):
            # Back on by hand, or said once more by a caller
            with self.subTest(decide=decide):
                action = self.action.copy(decide)
                action.secure_send = True
                self.assertEqual(self.toggled(action, self.template), secure)
                copy = action.copy()
                self.assertEqual(self.toggled(copy, self.template), secure)
                self.template.send_securely = True
        standard = self.template.copy({"send_securely": False})
        with Form(self.action) as form:
            form.template_id = standard
            form.secure_send = True
        self.assertEqual(self.toggled(self.action, standard), secure)
        self.action.template_id = standard.copy()
        self.assertTrue(self.action.secure_send)
        self.action.secure_send = False
        self.assertFalse(self.action.secure_send)
        self.action.template_id = standard
        self.assertEqual(self.toggled(self.action, standard), [False, True, False])

    def test_decided_for_standard_is_kept_on_saving(self):
        values = {"template_id": self.template.id, "secure_send": False}
        action = self.action.copy(values)
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(action.secure_send)
        action.write({"name": "Renamed"})
        self.assertFalse(action.secure_send)

    def settings(self):
        return Form(self.env["res.config.settings"].with_user(self.admin))

    def test_switching_off_lists_what_it_stops(self):
        form = self.settings()
        self.assertFalse(form.secure_off_warning)
        form.secure_messaging_enabled = False
        lines = form.secure_off_warning.split("\n")
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("Findings", lines[0])
        self.assertIn("Findings by SMS", lines[1])
        self.assertIn("Send findings", lines[2])
        form.secure_messaging_enabled = True
        self.assertFalse(form.secure_off_warning)

    def test_many_are_counted_and_some_named(self):
        for number in range(6):
            self.template.copy({"name": f"Copy {number}", "send_securely": True})
        with self.gateways():
            self.contact.with_user(self.writer).message_post(
                body=CANARY,
                partner_ids=self.contact.ids,
                send_securely=True,
                scheduled_date="2099-01-01 10:00:00",
            )
        form = self.settings()
        form.secure_messaging_enabled = False
        lines = form.secure_off_warning.split("\n")
        self.assertIn("(7): Findings, Copy 0, Copy 1, Copy 2, Copy 3, …", lines[0])
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertIn(f"(1): {dispatch.name}", lines[3])
        self.assertNotIn(CANARY, form.secure_off_warning)

    def test_sends_of_other_companies_are_not_listed(self):
        with self.gateways():
            self.contact.with_user(self.writer).message_post(
                body=CANARY,
                partner_ids=self.contact.ids,
                send_securely=True,
                scheduled_date="2099-01-01 10:00:00",
            )
        other = self.env["res.company"].create({"name": "Second Office"})
        kinds = [kind for kind, _names, _count in other._secure_marked()]
        self.assertNotIn("Sends that wait", kinds)
        kinds = [kind for kind, _names, _count in self.company._secure_marked()]
        self.assertIn("Sends that wait", kinds)

    def test_reminders_are_listed(self):
        alarms = self.env["calendar.alarm"]
        values = {"alarm_type": "sms", "duration": 1, "interval": "hours"}
        alarms.create({**values, "name": "Standard"})
        alarms.create({**values, "name": "Confidential", "secure_send": True})
        form = self.settings()
        form.secure_messaging_enabled = False
        lines = form.secure_off_warning.split("\n")
        self.assertEqual(len(lines), 4, lines)
        self.assertEqual(lines[3], "Appointment reminders (1): Confidential")

    def test_sends_on_hold_or_on_their_way_are_listed(self):
        with self.gateways():
            self.contact.with_user(self.writer).message_post(
                body=CANARY,
                partner_ids=self.contact.ids,
                send_securely=True,
                scheduled_date="2099-01-01 10:00:00",
            )
        [dispatch] = self.env["secure.dispatch"].search([])
        for state, listed in (("held", True), ("running", True), ("sent", False)):
            with self.subTest(state=state):
                dispatch.sudo().state = state
                kinds = [kind for kind, _names, _count in self.company._secure_marked()]
                self.assertEqual("Sends that wait" in kinds, listed)

    def test_nothing_marked_nothing_told(self):
        self.template.send_securely = False
        self.sms_template.send_securely = False
        self.action.secure_send = False
        form = self.settings()
        form.secure_messaging_enabled = False
        self.assertFalse(form.secure_off_warning)

    def test_company_default(self):
        with self.settings() as form:
            form.secure_send_default = True
        self.assertTrue(self.company.secure_send_default)
        values = {"name": "New", "model_id": self.partner_model.id}
        self.assertTrue(self.env["mail.template"].create(values).send_securely)
        self.assertTrue(
            self.env["sms.template"].create({**values, "body": "x"}).send_securely
        )

    def test_guidance_stands_beside_the_switch(self):
        arch = self.env["res.config.settings"]._get_view(False, "form")[0]
        self.assertEqual(len(arch.xpath("//widget[@name='secure_guidance']")), 1)
