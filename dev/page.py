"""`make page`: the public page in a real browser. Exit code 0 means it is right.

Every screen in English and Arabic, wide, on 320 pixels, and with text twice as large:
no violation of WCAG A or AA that axe-core can find, nothing that scrolls sideways. Then
what only a browser can show: keyboard alone, warnings before the page closes, what is
half typed, new messages, and that a script without a gesture opens nothing.
"""

import sys
from contextlib import contextmanager
from functools import partial

from road import PIN, SET_UP, STAFF, WRONG_PIN, compose, log_in
from road import send as send_form
from stage import Stage

PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
BODY = f"""
<p>Dear Clara,</p><p>your results are in; <b>all values are within the normal range</b>.
See <a href="https://practice.example/values">what they mean</a>.</p>
<table><tr><th>Value</th><th>Result</th></tr><tr><td>Haemoglobin</td><td>14.1</td>
</tr></table><p><img src="{PICTURE}" alt="Seal of the practice"></p>
<pre>A line much too long to fit on a telephone, whichever way one holds it.</pre>
"""
LONG_FILE = (
    "Überweisungsbericht-der-kardiologischen-Gemeinschaftspraxis-am-Marktplatz.pdf"
)
SEND = """
staff = env["res.users"].search([("login", "=", "{staff}")])
contact = env["res.partner"].browse({contact})
contact.lang = "{lang}"
threads = env["secure.thread"].with_user(staff)
result = []
for number in range({count}):
    [sent] = threads._send([dict(
        partner=contact, company=env.company, subject="Your laboratory results",
        body='''{body}''', pin="{pin}",
        attachments=[("{file}", b"%PDF-1.4 report")])])
    [more] = threads._send([dict(thread=sent.thread, body="<p>Second message</p>")])
    result.append(dict(
        thread=sent.thread.id, message=sent.message.id, link=sent.link.id,
        url=sent.link.sudo()._urls()[sent.link.id]))
"""
QUESTIONS = """
staff = env["res.users"].search([("login", "=", "{staff}")])
contact = env["res.partner"].create(dict(
    name="Carla Client", email="carla@client.example", phone="+32 470 12 34 57",
    country_id=env.ref("base.be").id, lang="{lang}", ref="{value}"))
field = env["ir.model.fields"]._get("res.partner", "ref")
env.company.write(dict(
    secure_pin_required=False, secure_pin_field_id=field.id,
    secure_consent_text="{consent}"))
[sent] = env["secure.thread"].with_user(staff)._send([dict(
    partner=contact, company=env.company, body="<p>Without a PIN of its own</p>")])
result = dict(company=env.company.id, thread=sent.thread.id,
    url=sent.link.sudo()._urls()[sent.link.id])
"""
CONSENT = "May we write to you here? See https://practice.example/privacy"
VALUE, WRONG_VALUE = "AB-4711-77", "AB-4711-78"
WRONG_CODE = "000000"
AGAIN = """
staff = env["res.users"].search([("login", "=", "{staff}")])
thread = env["secure.thread"].with_user(staff).browse({thread})
[sent] = thread._send([dict(thread=thread, body="<p>{text}</p>")])
result = sent.message.id
"""
WITHDRAW = """
staff = env["res.users"].search([("login", "=", "{staff}")])
thread = env["secure.thread"].with_user(staff).browse({thread})
thread.action_withdraw_message({message})
"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """async (tags) => {
    const found = await axe.run(document, {runOnly: {type: "tag", values: tags}});
    return found.violations.map((violation) =>
        [violation.id, violation.tags.includes("best-practice"),
         violation.nodes.map((node) => node.html).join(" ")]);
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
ASK = "document.dispatchEvent(new Event('visibilitychange'))"
VIEWS = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "320 px, dark": {
        "viewport": {"width": 320, "height": 640},
        "color_scheme": "dark",
    },
    # 1280 pixels at 200 %
    "zoomed": {"viewport": {"width": 640, "height": 450}},
}
PLANTED = """<!doctype html><html><title>x</title><main>
<h1>x</h1><img src="data:,"><input>
<p style="color:#999;background:#aaa">Hard to read</p>
<div style="width:3000px">x</div></main></html>"""
FAULTS = {"color-contrast", "html-has-lang", "image-alt", "label"}
LARGE_TEXT = "html { font-size: 212.5% !important; }"


class PageChecks:
    """One walk through all screens, in one language."""

    def __init__(self, stage, contact, lang):
        """Send what is needed, to one contact."""
        self.stage = stage
        self.contact = contact
        self.lang = lang
        self.axe = stage.axe.read_text()
        self.seen = {}

    def sent(self, count):
        """Conversations, each with a PIN of its own and two messages."""
        code = SEND.format(
            staff=STAFF,
            contact=self.contact,
            lang=self.lang,
            body=BODY,
            pin=PIN,
            file=LONG_FILE,
            count=count,
        )
        return self.stage.odoo(code)

    def walk(self, browser):
        """All screens of this language, in all views."""
        for name, options in VIEWS.items():
            with self.window(browser, **options) as page:
                self.screens(page, name)

    @contextmanager
    def window(self, browser, **options):
        """A browser that has been here never before."""
        context = browser.new_context(**options)
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        try:
            yield page
        finally:
            context.close()

    def planted(self, browser):
        """That what looks for faults finds some: it is no use saying there are none."""
        with self.window(browser, **VIEWS["wide"]) as page:
            page.set_content(PLANTED)
            page.evaluate(self.axe)
            found = {rule for rule, *_rest in page.evaluate(AXE, RULES)}
            check(FAULTS <= found, f"planted faults are found: {sorted(found)}")
            check(page.evaluate(SIDEWAYS) > 0, "and what is too wide")

    # -- screens -----------------------------------------------------------------

    def screens(self, page, view):
        """Each screen once; what they need is put right by SQL in between."""
        first, second, third, fourth, fifth = self.sent(5)
        self.stage.psql("DELETE FROM secure_attempt")
        page.goto(first["url"])
        self.look(page, view, "gate")
        page.click("details:last-of-type summary")
        self.look(page, view, "gate, “Is this genuine?” open")
        self.enter(page, WRONG_PIN)
        self.look(page, view, "wrong PIN", has="#error")
        self.open(page, first)
        self.look(page, view, "conversation", has=".body img")
        page.click("#send")
        self.look(page, view, "nothing to send", has="#error:not([hidden])")
        page.fill("#body", "Thank you! Thursday at half past four?")
        page.click("#send")
        page.wait_for_selector("[role=status]")
        self.look(page, view, "sent")
        self.withdraw(first)
        page.reload()
        page.wait_for_selector(".withdrawn")
        self.look(page, view, "conversation with a withdrawn message")
        self.ends(page, view, second)
        for _try in range(5):
            page.goto(third["url"])
            self.enter(page, WRONG_PIN)
        self.look(page, view, "locked", has="h1 >> text=Locked")
        self.stage.psql("DELETE FROM secure_attempt")
        past = "now() AT TIME ZONE 'UTC' - interval '2s'"
        self.set_link(fourth, f"expires_at = {past}")
        page.goto(fourth["url"])
        self.look(page, view, "expired", has="form[action$='/renew']")
        page.click("main form button")
        page.wait_for_load_state()
        self.look(page, view, "renewal asked", has="h1 >> text=check your email")
        self.set_link(fifth, f"revoked_at = {past}")
        page.goto(fifth["url"])
        self.look(page, view, "withdrawn", has="h1 >> text=withdrawn")
        self.set_link(fifth, f"revoked_at = NULL, replaced_by_id = {first['link']}")
        page.goto(fifth["url"])
        self.look(page, view, "replaced", has="h1 >> text=newer link")
        page.goto(f"{self.stage.base_url}/sm/{'0' * 33}")
        self.look(page, view, "unknown", has="h1 >> text=does not work")
        self.questions(page, view)

    def questions(self, page, view):
        """A conversation without a PIN of its own: a field's value, a code or a button
        opens it, and then consent is asked for."""
        code = QUESTIONS.format(
            staff=STAFF, lang=self.lang, value=VALUE, consent=CONSENT
        )
        sent = self.stage.odoo(code)
        self.stage.psql("DELETE FROM secure_attempt")
        change = partial(self.change, sent["company"])
        change(secure_pin_source="field")
        page.goto(sent["url"])
        self.look(page, view, "gate for a field's value", has="#pin[inputmode=text]")
        self.enter(page, WRONG_VALUE)
        self.look(page, view, "wrong value", has="#error")
        change(secure_pin_source="code")
        page.goto(sent["url"])
        asking = "form[action$='/code'] button:not(.quiet)"
        self.look(page, view, "gate for a code", has=asking)
        page.click("details:first-of-type summary")
        self.look(page, view, "gate for a code, its field open", has="#pin:visible")
        page.click(asking)
        page.wait_for_load_state()
        self.look(page, view, "code asked for", has="[role=status]")
        self.enter(page, WRONG_CODE)
        self.look(page, view, "wrong code", has="#error")
        change(secure_pin_source="default")
        page.goto(sent["url"])
        only_button = "main form:not(:has(#pin)) button"
        self.look(page, view, "gate without a PIN", has=only_button)
        self.consent(page, view, change, only_button)

    def consent(self, page, view, change, enter):
        """Asked for, declined, given, withdrawn, and asked for anew.

        :param change: changes settings of the company
        :param enter: the button at the gate
        """
        agree, decline, withdraw = (
            f"button[value={answer}]" for answer in ("agreed", "declined", "withdrawn")
        )
        change(secure_consent_for="everybody")
        page.click(enter)
        page.wait_for_selector(decline)
        self.look(page, view, "consent asked for", has=decline)
        page.click(decline)
        page.wait_for_selector("details")
        page.click("summary")
        self.look(page, view, "consent declined", has=f"details {agree}")
        page.click(agree)
        page.wait_for_selector("#conversation")
        self.look(page, view, "conversation after consent", has="[href$='/consent']")
        page.click("[href$='/consent']")
        page.wait_for_selector(withdraw)
        self.look(page, view, "consent to be withdrawn", has=withdraw)
        change(secure_consent_text=f"{CONSENT} (2)")
        page.goto(page.url.removesuffix("/consent"))
        self.look(page, view, "consent to a new text", has=".box.good")
        change(secure_consent_text=f"{CONSENT} (3)")
        page.click(agree)
        page.wait_for_selector("[role=alert]")
        self.look(
            page, view, "text changed meanwhile", has=f"[role=alert] ~ form {agree}"
        )
        page.click(agree)
        page.click("[href$='/consent']")
        page.click(withdraw)
        page.wait_for_selector("details")
        self.look(page, view, "consent withdrawn", has=f"details {agree}")
        change(secure_consent_for="nobody")

    def ends(self, page, view, send):
        """What the page says before and after it closes."""
        self.open(page, send)
        page.fill("#body", "half a sentence")
        self.set_grant(send, "idle_until = now() AT TIME ZONE 'UTC' + interval '90s'")
        page.evaluate(ASK)
        page.wait_for_selector("#idle[open]")
        self.look(page, view, "warning before the idle end")
        page.click("#stay button")
        page.wait_for_selector("#idle:not([open])", state="attached")
        self.set_grant(send, "expires_at = now() AT TIME ZONE 'UTC' + interval '90s'")
        page.evaluate(ASK)
        page.wait_for_selector("#idle[open] #again")
        check(
            not page.is_visible("#stay"),
            "staying is not offered where it gains nothing",
        )
        self.look(page, view, "warning before the absolute end")
        page.click("#again")
        page.wait_for_selector("#pin")
        check("half a sentence" not in page.content(), "a kept text is not in the gate")
        self.look(page, view, "gate with a text that was kept", has="[role=status]")
        self.enter(page, PIN)
        page.wait_for_selector("#body")
        check(page.input_value("#body") == "half a sentence", "it is behind the PIN")
        self.set_grant(send, "idle_until = now() AT TIME ZONE 'UTC'")
        page.evaluate(ASK)
        page.wait_for_selector("#ended:visible")
        self.look(page, view, "closed by itself")
        check(
            self.stage.wait_for(
                "the text to be handed over", lambda: not page.input_value("#body")
            ),
            "what was typed is taken off the closed page",
        )
        self.set_link(send, "revoked_at = now() AT TIME ZONE 'UTC'")
        page.evaluate("document.querySelector('#body').value = 'more words'")
        page.click("#ended button")
        page.wait_for_selector("#unsent")
        self.look(page, view, "withdrawn, the text handed back")
        self.set_link(send, "revoked_at = NULL")

    def look(self, page, view, screen, has="h1"):
        """One screen in one view: axe, and nothing sideways; once with large text.

        :param has: a selector of what only this screen has
        """
        page.wait_for_load_state()
        where = f"{self.lang}, {view}: {screen}"
        check_quietly(page.locator(has).count(), f"{where} is something else")
        direction = page.evaluate("document.dir")
        known = screen != "unknown" and self.lang == "ar_001"
        check_quietly(direction == ("rtl" if known else "ltr"), f"{where}: {direction}")
        page.evaluate(self.axe)
        found = page.evaluate(AXE, RULES)
        hard = [(rule, html) for rule, best, html in found if not best]
        soft = [(rule, html) for rule, best, html in found if best]
        check_quietly(not hard, f"{where}: {hard}")
        check_quietly(not soft, f"{where}, best practice: {soft}")
        check_quietly(page.evaluate(SIDEWAYS) <= 0, f"{where}: scrolls sideways")
        self.picture(page, view, screen)
        self.large(page, where)
        self.seen.setdefault(screen, set()).add(view)

    def large(self, page, where):
        """Text at 200 %: everything is still there, and nothing sideways."""
        page.evaluate(
            "(css) => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css);"
            " document.adoptedStyleSheets = [sheet]; }",
            LARGE_TEXT,
        )
        wide = page.evaluate(SIDEWAYS)
        page.evaluate("document.adoptedStyleSheets = []")
        check_quietly(wide <= 0, f"{where}, large text: scrolls sideways by {wide}")

    def picture(self, page, view, screen):
        """Kept under build/, to be looked at."""
        folder = self.stage.build_folder / "page"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{self.lang} {view} {screen}".replace(" ", "-").replace(",", "")
        page.screenshot(path=folder / f"{name}.png", full_page=True)

    # -- what only a browser shows -----------------------------------------------

    def no_gesture(self, browser):
        """Statement 10: loading, waiting, moving and scrolling send nothing."""
        [send] = self.sent(1)
        with self.window(browser, **VIEWS["wide"]) as page:
            methods = []
            page.on("request", lambda request: methods.append(request.method))
            page.goto(send["url"])
            page.mouse.move(200, 200)
            page.mouse.wheel(0, 400)
            page.evaluate(ASK)
            page.evaluate("window.dispatchEvent(new Event('pagehide'))")
            page.wait_for_timeout(3000)
        opened = self.stage.psql(
            f"SELECT count(*) FROM secure_access_log WHERE link_id = {send['link']}"
            " AND kind NOT IN ('sent', 'delivered')"
        )
        check(set(methods) == {"GET"}, "the page's script sends nothing by itself")
        check(opened.strip() == "0", "and nothing counts as opened")

    def keyboard(self, browser):
        """From the gate to an answer, without a mouse."""
        [send] = self.sent(1)
        with self.window(browser, **VIEWS["wide"]) as page:
            page.goto(send["url"])
            press = page.keyboard.press
            press("Tab")
            check(self.focus(page) == "a.skip", "the first stop is the skip link")
            for _stop in range(8):
                if self.focus(page) == "input#pin":
                    break
                press("Tab")
            check(self.focus(page) == "input#pin", "the PIN is reached")
            page.keyboard.type(WRONG_PIN)
            press("Enter")
            page.wait_for_selector("#error")
            check(self.focus(page) == "input#pin", "after a wrong one it has the focus")
            page.keyboard.type(PIN)
            press("Enter")
            page.wait_for_selector("#conversation")
            press("Tab")
            press("Enter")
            for _stop in range(8):
                if self.focus(page) == "textarea#body":
                    break
                press("Tab")
            check(
                self.focus(page) == "textarea#body", "the skip link leads to the reply"
            )
            page.keyboard.type("by keyboard")
            press("Control+Enter")
            page.wait_for_selector("[role=status]:focus")
            check(True, "“Sent” has the focus, and is read out")
            self.set_grant(
                send, "idle_until = now() AT TIME ZONE 'UTC' + interval '90s'"
            )
            page.evaluate(ASK)
            page.wait_for_selector("#idle[open]")
            check("button" in self.focus(page), "the warning has the focus")
            press("Enter")
            page.wait_for_selector("#idle:not([open])", state="attached")
            check(True, "and Enter stays")

    @staticmethod
    def focus(page):
        """What has the focus, as tag and id or class."""
        return page.evaluate(
            "(() => { const at = document.activeElement;"
            " return at.tagName.toLowerCase() + (at.id ? '#' + at.id :"
            " at.className ? '.' + at.className : ''); })()"
        )

    def news(self, browser):
        """A message comes, and goes, while somebody types."""
        [send] = self.sent(1)
        with self.window(browser, **VIEWS["wide"]) as page:
            self.open(page, send)
            page.fill("#body", "half a sentence")
            text = "Came while it was open"
            code = AGAIN.format(staff=STAFF, thread=send["thread"], text=text)
            message = self.stage.odoo(code)
            page.evaluate(ASK)
            page.wait_for_selector(f"#latest >> text={text}")
            check(page.is_visible("#news"), "a new message appears, and is announced")
            check(
                page.input_value("#body") == "half a sentence",
                "what is half typed stays",
            )
            seen = f"SELECT secure_seen_date FROM mail_message WHERE id = {message}"
            check(self.stage.psql(seen).strip(), "and counts as read")
            self.withdraw({**send, "message": message})
            page.evaluate(ASK)
            page.wait_for_selector("#latest .withdrawn")
            check(text not in page.content(), "withdrawn, it goes from the open page")
            page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
            asked = []
            page.on("request", lambda request: asked.append(request.url))
            page.evaluate(ASK)
            page.wait_for_timeout(500)
            check(not asked, "a page in the background asks for nothing")

    def printed(self, browser):
        """The messages and who they are from; nothing to press."""
        [send] = self.sent(1)
        with self.window(browser, **VIEWS["wide"]) as page:
            self.open(page, send)
            page.emulate_media(media="print")
            for part in ("#reply", "#leave", ".skip", "#idle", "#ended"):
                check_quietly(not page.is_visible(part), f"{part} is printed")
            for part in (".subject h1", "article .body", "header .name", "footer"):
                check_quietly(page.is_visible(part), f"{part} is not printed")
            check(True, "what is printed is the conversation")

    def without_script(self, browser):
        """Statement 54: PIN, reading, answering."""
        [send] = self.sent(1)
        with self.window(browser, java_script_enabled=False) as page:
            self.open(page, send)
            page.fill("#body", "without a script")
            page.click("#send")
            page.wait_for_selector("[role=status]")
            check("without a script" in page.content(), "it works without JavaScript")

    def staff_withdraw(self, browser):
        """One message from its menu in the chatter, then a send from the Outbox."""
        [send] = self.sent(1)
        with self.window(browser, **VIEWS["wide"]) as page:
            log_in(self.stage, page)
            page.goto(f"{self.stage.base_url}/odoo/secure.thread/{send['thread']}")
            message = page.locator(".o-mail-Message", has_text="Dear Clara").first
            message.hover()
            self.picture(page, "staff", "message with its actions")
            message.locator("[name='secure-withdraw']").click()
            page.wait_for_selector(".modal >> text=cannot be undone")
            self.picture(page, "staff", "withdraw, asked")
            page.click(".modal .btn-danger")
            page.wait_for_selector(".o_secure_withdrawn >> text=Withdrawn on")
            page.wait_for_selector(".o-mail-Message >> text=Withdrawn: the message of")
            self.picture(page, "staff", "withdrawn message")
            check(
                page.locator("text=Dear Clara").count(), "staff still see what it said"
            )
            message.hover()
            count = message.locator("[name='secure-withdraw']").count()
            check(not count, "and cannot withdraw it twice")
        with self.window(browser, **VIEWS["wide"]) as page:
            self.open(page, send)
            check("Dear Clara" not in page.content(), "the contact does not")
        self.withdraw_send(browser)

    def withdraw_send(self, browser):
        """All messages of a send."""
        send_form(self.stage, compose(self.stage, self.contact, pin=PIN))
        with self.window(browser, **VIEWS["wide"]) as page:
            log_in(self.stage, page)
            page.goto(f"{self.stage.base_url}/odoo/secure-outbox")
            page.click(".o_data_row >> nth=0")
            page.click("button[name=action_withdraw]")
            page.click(".modal .btn-primary")
            page.wait_for_selector(".alert >> text=cannot be read any more")
            page.wait_for_selector(".o_data_row >> text=Withdrawn")
            self.picture(page, "staff", "withdrawn send")
            page.set_viewport_size({"width": 390, "height": 844})
            self.picture(page, "staff", "withdrawn send, phone")
            check(True, "a whole send is withdrawn from the Outbox")

    # -- helpers -----------------------------------------------------------------

    def enter(self, page, pin):
        """A PIN at the gate."""
        page.fill("input[name=pin]", pin)
        page.click("main form button")
        page.wait_for_load_state()

    def open(self, page, send):
        """Through the gate into the conversation."""
        page.goto(send["url"])
        self.enter(page, PIN)
        page.wait_for_selector("#conversation")

    def withdraw(self, send):
        """As staff do."""
        code = WITHDRAW.format(
            staff=STAFF, thread=send["thread"], message=send["message"]
        )
        self.stage.odoo(code)

    def set_grant(self, send, values):
        """As if time had passed."""
        where = f"WHERE thread_id = {send['thread']}"
        self.stage.psql(f"UPDATE secure_grant SET {values} {where}")

    def change(self, company, **values):
        """In the settings, while the page is open."""
        self.stage.call("res.company", "write", [company], values)

    def set_link(self, send, values):
        """As if something had happened to the link."""
        self.stage.psql(f"UPDATE secure_link SET {values} WHERE id = {send['link']}")


def check(condition, what):
    """Say what was seen, or stop."""
    check_quietly(condition, what)
    print(f"    {what}", flush=True)


def check_quietly(condition, what):
    """Stop unless it holds."""
    if not condition:
        print(f"    NOT SO: {what}", flush=True)
        sys.exit(1)


def install_arabic(stage):
    """As in Odoo's settings, by a running server, so that all its workers know."""
    known = [("code", "=", "ar_001")]
    ids = stage.call("res.lang", "search", known, context={"active_test": False})
    [form] = stage.call(
        "base.language.install", "create", [{"lang_ids": [(6, 0, ids)]}]
    )
    stage.call("base.language.install", "lang_install", [form])


def main():
    """What the page does, then how it looks, in both directions of writing."""
    stage = Stage.here()
    contact = stage.odoo(SET_UP)["contact"]
    with stage.browser() as browser:
        checks = PageChecks(stage, contact, "en_US")
        checks.planted(browser)
        checks.no_gesture(browser)
        checks.keyboard(browser)
        checks.news(browser)
        checks.without_script(browser)
        checks.printed(browser)
        checks.staff_withdraw(browser)
        install_arabic(stage)
        for lang in ("en_US", "ar_001"):
            checks = PageChecks(stage, contact, lang)
            checks.walk(browser)
            check(
                all(views == set(VIEWS) for views in checks.seen.values()),
                f"{lang}: {len(checks.seen)} screens, {len(VIEWS)} views each and with "
                "large text: axe-core finds nothing, nothing scrolls sideways",
            )


if __name__ == "__main__":
    main()
