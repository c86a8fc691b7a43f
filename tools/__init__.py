from . import (
    content,
    keyring,
    limits,
    log_filter,
    network,
    notification,
    pin_policy,
    token,
)
