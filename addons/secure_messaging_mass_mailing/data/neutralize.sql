-- Secure mailings of a copy go back to draft, without their date
UPDATE mailing_mailing
   SET state = 'draft',
       schedule_date = NULL
 WHERE secure_send
   AND state IN ('in_queue', 'sending');
UPDATE mailing_trace
   SET trace_status = 'cancel'
 WHERE secure_link_id IS NOT NULL
   AND trace_status IN ('outgoing', 'error');
