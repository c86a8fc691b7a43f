"""What `make run` sends, so that there is something to see.

Run inside Odoo's shell: `env` is Odoo's environment (OdooBot's, full rights), `stage`
tells about the running servers (addresses, folders). What is printed here is shown
to the person who ran `make run`.
"""

print("    (no demo messages yet)")
env.cr.commit()  # noqa: F821
