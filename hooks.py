def uninstall_hook(env):
    """Dropping the log's table leaves the function that its triggers call."""
    env.cr.execute("DROP FUNCTION IF EXISTS secure_access_log_refuse() CASCADE")
