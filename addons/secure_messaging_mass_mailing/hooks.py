def uninstall_hook(env):
    """Without this module nothing knows any more which mailings were to be secure."""
    marked = env["mailing.mailing"].with_context(active_test=False)
    marked.search([("secure_send", "=", True)])._secure_put_away()
