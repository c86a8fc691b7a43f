from . import secure_compose, secure_pin_wizard
