"""What `make run` sends, so that there is something to see.

Run inside Odoo's shell: `env` is Odoo's environment (OdooBot's, full rights), `stage`
tells about the running servers (addresses, folders). What is printed here is shown
to the person who ran `make run`.
"""

DEMO_PIN = "583926"

env = env(user=env.ref("base.user_admin"))  # noqa: F821
clara = env.ref("secure_messaging.partner_clara_demo")
maximilian = env.ref("secure_messaging.partner_max_demo")
env["secure.pin"]._set(env.company, DEMO_PIN)
# Odoo's own email about its use would stand above these two
env["digest.digest"].search([]).action_deactivate()
env["secure.thread"]._send(
    [
        {
            "partner": clara,
            "company": env.company,
            "subject": "Your laboratory results",
            "body": "<p>Dear Clara,</p><p>your results are in and all values are "
            "<b>within the normal range</b>. The report is attached. Would you like "
            "to talk about it on Thursday?</p>",
            "attachments": [("report.txt", b"Ferritin 54 ug/l\nTSH 2.1 mU/l\n")],
        },
        {
            "partner": maximilian,
            "company": env.company,
            "subject": "Draft of the contract",
            "body": "<p>The draft is ready. Please look at the second clause.</p>",
            "channel": "sms",
        },
    ]
)
env.cr.commit()
print("    Two demo messages sent: one by email, one by SMS.")
print(f"    PIN of both: {DEMO_PIN} (the company's default)")
