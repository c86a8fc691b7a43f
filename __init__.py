from . import controllers, models, tools, wizard
from .hooks import post_init_hook, uninstall_hook

tools.log_filter.install()
