from . import (
    mail_mail,
    mail_render_mixin,
    mailing_mailing,
    mailing_mailing_send,
    mailing_trace,
    res_company,
    secure_dispatch,
    secure_link,
    secure_notification,
    secure_page,
    secure_thread,
)
