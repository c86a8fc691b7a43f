"""Who may do what: the one table behind tests/test_rights.py and docs/rights.md.

Whoever adds a model or a button adds its row here; the tests name what is missing.
`python3 tests/rights.py` writes the tables into docs/rights.md anew.

Everything not named here is refused, to everybody.
"""

import pathlib
import re

PEOPLE = {
    "public": "Anybody on the web, without a login",
    "portal": "A contact with a login to the portal",
    "clerk": "Staff without a group of this module",
    "system": "System administrator of Odoo, without a group of this module",
    "colleague": "User of this module, for what is a colleague's",
    "sender": "User of this module, for what is their own",
    "manager": "Manager of this module",
    "administrator": "Administrator of this module",
    "foreigner": "Manager of this module, in another company",
}
"""The rows' people; every record in question belongs to the sender, of forms
only managers get to the manager."""

OPERATIONS = ("find", "read", "export", "write", "create", "delete", "copy")

STAFF = ("sender", "manager", "administrator")
MANAGERS = ("manager", "administrator")
EVERY_USER = ("colleague", *STAFF, "foreigner")
INTERNAL = ("clerk", "system", *EVERY_USER)
EVERYBODY = tuple(PEOPLE)

SEE = "find read export"
OWN_FORM = {
    **dict.fromkeys(EVERY_USER, "create"),
    "sender": f"{SEE} write create delete copy",
}
MANAGERS_FORM = {
    **dict.fromkeys((*MANAGERS, "foreigner"), "create"),
    "manager": OWN_FORM["sender"],
}
NOBODY = {}

MODELS = {
    "secure.thread": ("Conversations", dict.fromkeys(STAFF, f"{SEE} write")),
    "secure.link": ("Links", dict.fromkeys(STAFF, SEE)),
    "secure.access.log": ("Log", dict.fromkeys(STAFF, SEE)),
    "secure.dispatch": ("Outbox: sends", dict.fromkeys(STAFF, SEE)),
    "secure.dispatch.line": ("Outbox: recipients", dict.fromkeys(STAFF, SEE)),
    "secure.compose": ("Form for new messages", OWN_FORM),
    "secure.pin.wizard": ("Form to set a PIN", OWN_FORM),
    "secure.consent": ("Consents", dict.fromkeys(STAFF, SEE)),
    "secure.consent.text": (
        "Consent texts",
        dict.fromkeys(("colleague", *STAFF), SEE),
    ),
    "secure.log.check": ("Checks of the log", dict.fromkeys(MANAGERS, SEE)),
    "secure.log.finding": ("What they found", dict.fromkeys(MANAGERS, SEE)),
    "secure.log.export": ("Form to export the log", MANAGERS_FORM),
    "secure.pin.bulk": ("PINs set in bulk", dict.fromkeys(STAFF, SEE)),
    "secure.pin.bulk.line": ("Their contacts", dict.fromkeys(STAFF, SEE)),
    "secure.pin.generate": ("Form to generate PINs", MANAGERS_FORM),
    "secure.pin.import": ("Form to import PINs", MANAGERS_FORM),
    "secure.address": ("Addresses that were changed", NOBODY),
    "secure.code": ("One-time codes", NOBODY),
    "secure.access.log.waiting": ("Rows the log waits for", NOBODY),
    "secure.pin": ("PINs", NOBODY),
    "secure.grant": ("Open doors of clients", NOBODY),
    "secure.attempt": ("Counters of wrong PINs", NOBODY),
    "secure.mail.answer": ("Senders of answers by email", NOBODY),
    # Without a table of their own: rules and tools of the models above
    "secure.bridge": ("", NOBODY),
    "secure.choice": ("", NOBODY),
    "secure.closed.road": ("", NOBODY),
    "secure.consent.choice": ("", NOBODY),
    "secure.consent.composer": ("", NOBODY),
    "secure.log.chain": ("", NOBODY),
    "secure.composer.choice": ("", NOBODY),
    "secure.draft": ("", NOBODY),
    "secure.keyring": ("", NOBODY),
    "secure.notification": ("", NOBODY),
    "secure.page": ("", NOBODY),
    "secure.road": ("", NOBODY),
    "secure.sealed": ("", NOBODY),
}
"""By model: what it is called on screen, and the operations by person."""

METHODS = {
    "secure.thread": {
        "action_close": STAFF,
        "action_mark_read": STAFF,
        "action_new_pin": STAFF,
        "action_open_about": EVERY_USER,
        "action_open_consents": STAFF,
        "action_open_document": STAFF,
        "action_open_log": STAFF,
        "action_reopen": STAFF,
        "action_resend": STAFF,
        "action_revoke": STAFF,
        "action_unlock": STAFF,
        "action_withdraw_message": STAFF,
        "message_post": STAFF,
        "message_notify": STAFF,
        "message_change_thread": (),
        "message_new": (),
    },
    "secure.access.log": {
        "action_open_thread": STAFF,
        "action_verify": (*MANAGERS, "foreigner"),
    },
    "secure.consent": {"action_open_thread": STAFF},
    "secure.consent.text": {"action_open_consents": EVERYBODY},
    "secure.log.check": {"action_verify": (*MANAGERS, "foreigner")},
    "secure.log.export": {"action_export": EVERYBODY},
    "secure.pin.generate": {"action_generate": ("manager",)},
    "secure.pin.import": {"action_import": ("manager",)},
    "secure.dispatch": {
        "action_cancel": STAFF,
        "action_change": STAFF,
        "action_release": STAFF,
        "action_retry": STAFF,
        "action_send_now": STAFF,
        "action_withdraw": STAFF,
    },
    "secure.dispatch.line": {"action_new_link": STAFF, "action_open_thread": STAFF},
    "secure.compose": {
        "action_about": EVERYBODY,
        "action_confirm": ("sender",),
        "action_preview": ("sender",),
        "action_send": ("sender",),
        "action_standard": ("sender",),
        "action_write": ("sender",),
        "add_recipient": EVERY_USER,
        "canned_responses": INTERNAL,
        "generate_pin": EVERY_USER,
    },
    "secure.pin.wizard": {
        "action_clear": ("sender",),
        "action_generate": ("sender",),
        "action_save": ("sender",),
    },
    "res.partner": {
        "action_secure_compose": EVERYBODY,
        "action_secure_confirm_email": EVERY_USER,
        "action_secure_confirm_phone": EVERY_USER,
        "action_secure_consents": EVERYBODY,
        "action_secure_generate_pins": (*MANAGERS, "foreigner"),
        "action_secure_pin": INTERNAL,
        "secure_pin_line": INTERNAL,
        "action_secure_threads": EVERYBODY,
    },
}
"""By model and method that a client can call: who gets through. What a button then
opens has rows of its own above: `action_about` opens the form, and shows nothing;
`action_export` names an address that only who made the export gets anything from."""

COMMON = {
    "copy",
    "create",
    "message_notify",
    "message_parse",
    "message_post",
    "message_post_with_source",
    "message_route",
    "write",
}
"""Methods of Odoo's that this module only narrows: operations of MODELS, posting where
it has no rows above, the mail gateway."""


def markdown():
    """The tables as docs/rights.md shows them."""
    shown = {model: row for model, row in MODELS.items() if row[0]}
    head = ["", *(title for title, _rights in shown.values())]
    rows = [
        [text, *(_cell(rights.get(person)) for _title, rights in shown.values())]
        for person, text in PEOPLE.items()
    ]
    buttons = [
        [f"`{model}`", f"`{method}`", _people(allowed)]
        for model, methods in METHODS.items()
        for method, allowed in methods.items()
    ]
    return "\n".join(
        [
            *_table(head, rows),
            "",
            *_table(["Model", "Method", "Who gets through"], buttons),
        ]
    )


def _cell(operations):
    return (operations or "–").replace(SEE, "see").replace(" ", ", ")


def _people(allowed):
    names = {
        (): "nobody",
        EVERYBODY: "everybody; it shows nothing",
        INTERNAL: "staff",
        EVERY_USER: "users of this module",
        STAFF: "who may read it",
    }
    return names.get(allowed) or "its " + ", ".join(allowed)


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


BETWEEN = re.compile("(<!-- tables -->\n).*?(<!-- /tables -->)", re.DOTALL)


def in_page(page):
    """A page's text with the tables as they should be."""
    return BETWEEN.sub(lambda marks: f"{marks[1]}\n{markdown()}\n\n{marks[2]}", page)


if __name__ == "__main__":
    path = pathlib.Path(__file__).parents[1] / "docs" / "rights.md"
    path.write_text(in_page(path.read_text()))
