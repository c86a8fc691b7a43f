from . import content, keyring, network, notification, pin_policy, token
