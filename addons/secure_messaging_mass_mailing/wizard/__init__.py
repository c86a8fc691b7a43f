from . import (
    mail_compose_message,
    mailing_mailing_test,
    mailing_sms_test,
    sms_composer,
)
