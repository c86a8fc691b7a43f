def post_init_hook(env):
    """Make or note the key at once, so that its backup can be asked for."""
    env["secure.keyring"]._initialize()


def uninstall_hook(env):
    """Dropping the log's table leaves the function that its triggers call."""
    env.cr.execute("DROP FUNCTION IF EXISTS secure_access_log_refuse() CASCADE")
