from . import (
    test_email_mailings,
    test_mailing_consent,
    test_mailing_settings,
    test_neutralize,
    test_sms_mailings,
)
