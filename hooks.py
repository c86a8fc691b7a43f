def post_init_hook(env):
    """Make or note the key at once, so that its backup can be asked for."""
    env["secure.keyring"]._initialize()
