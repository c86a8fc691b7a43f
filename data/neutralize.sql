-- A copy of the database sends nothing, and is no second way in.

-- Off: whatever is marked secure is refused, and never sent as a standard message
UPDATE res_company
   SET secure_messaging_enabled = false;

-- Links lead nowhere. With the key beside it, a copy would open for who holds one: what
-- was withdrawn in the original since, too, and wrong PINs would be counted apart
UPDATE secure_link
   SET revoked_at = now() AT TIME ZONE 'UTC'
 WHERE revoked_at IS NULL;
UPDATE secure_grant
   SET idle_until = now() AT TIME ZONE 'UTC',
       expires_at = LEAST(expires_at, now() AT TIME ZONE 'UTC');

-- What was planned, runs, is held or may be tried again is over, and forgets its PIN
UPDATE secure_dispatch_line
   SET state = 'cancelled'
 WHERE state = 'waiting';
UPDATE secure_dispatch
   SET state = 'cancelled'
 WHERE state IN ('scheduled', 'running', 'held');
UPDATE secure_dispatch
   SET can_retry = false,
       sealed_pin = NULL;

-- PINs that wait to be set are forgotten
UPDATE secure_pin_bulk_line
   SET state = 'failed',
       pin_sealed = NULL
 WHERE state = 'waiting';
UPDATE secure_pin_bulk
   SET state = 'failed'
 WHERE state = 'running';

-- Notifications and codes that wait or failed do not leave. Codes have no notification
UPDATE mail_notification
   SET notification_status = 'canceled'
 WHERE mail_mail_id IN (
       SELECT id
         FROM mail_mail
        WHERE secure_link_id IS NOT NULL
          AND state IN ('outgoing', 'exception')
 )
    OR sms_id_int IN (
       SELECT id
         FROM sms_sms
        WHERE secure_link_id IS NOT NULL
          AND state IN ('outgoing', 'error')
 );
UPDATE mail_mail
   SET state = 'cancel'
 WHERE num_nonnulls(secure_link_id, secure_code_id) > 0
   AND state IN ('outgoing', 'exception');
UPDATE sms_sms
   SET state = 'canceled'
 WHERE num_nonnulls(secure_link_id, secure_code_id) > 0
   AND state IN ('outgoing', 'error');

UPDATE ir_cron
   SET active = false
 WHERE id IN (
       SELECT res_id
         FROM ir_model_data
        WHERE module = 'secure_messaging'
          AND model = 'ir.cron'
 );
