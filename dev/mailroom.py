"""The outside world of the developer ground: an SMTP server that keeps what it
receives, a stub of Odoo's SMS gateway, and a page that shows both as the client
would see them. Everything listens on the loopback interface only.

    python dev/mailroom.py FOLDER SMTP_PORT HTTP_PORT
"""

import html
import json
import re
import sys
import threading
import time
import urllib.request
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller

HOST = "127.0.0.1"
GATEWAY_PATH = "/api/sms/3/send"
LONGEST_REQUEST = 100 * 1024 * 1024
DELIVERY_DELAY = 2  # seconds from accepting an SMS to reporting it delivered
ADDRESS = re.compile(r"https?://[^\s<>\"']+")
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Caught mail and SMS</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem;
        padding: 1rem; background: #f4f4f6; color: #222; }}
 article {{ background: #fff; border: 1px solid #ddd; border-radius: .5rem;
           margin: 1rem 0; padding: 1rem; }}
 header {{ color: #555; font-size: .875rem; overflow-wrap: anywhere; }}
 h2 {{ font-size: 1.125rem; margin: .25rem 0 .5rem; }}
 iframe {{ border: 0; width: 100%; height: 30rem; resize: vertical; }}
 pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 0; }}
</style></head><body>
<h1>Caught mail and SMS</h1>
<p>What would have been sent, newest first. Nothing has left this machine.</p>
{entries}
<script>
 const seen = "{count}";
 setInterval(async () => {{
   const answer = await fetch("/count").catch(() => null);
   if (answer && (await answer.text()) !== seen) location.reload();
 }}, 3000);
</script>
</body></html>"""
# The mail is shown in a frame that may run no script and knows no other page.
# Its links open beside it, and tell the other side nothing of where they were.
FRAME = (
    '<meta charset="utf-8"><base target="_blank">'
    '<meta name="referrer" content="no-referrer">'
)
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


class Mailbox:
    """Keeps each received mail as a file: 0001.eml, and its envelope beside it."""

    def __init__(self, folder):
        """Make the folder."""
        self.folder = folder / "mail"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.count = len(self.files())

    async def handle_DATA(self, server, session, envelope):
        """Keep one mail. The file gets its name when it is whole."""
        with self.lock:
            self.count += 1
            name = f"{self.count:06d}"
            sent = {"from": envelope.mail_from, "to": envelope.rcpt_tos}
            (self.folder / f"{name}.json").write_text(json.dumps(sent))
            draft = self.folder / f"{name}.part"
            draft.write_bytes(envelope.original_content)
            draft.rename(self.folder / f"{name}.eml")
        return "250 OK"

    def files(self):
        """Return the mails' files, oldest first."""
        return sorted(self.folder.glob("*.eml"))


class Phone:
    """Keeps each accepted SMS as one line of sms.jsonl."""

    def __init__(self, folder):
        """Remember the file."""
        self.file = folder / "sms.jsonl"
        self.file.touch()
        self.lock = threading.Lock()

    def accept(self, params):
        """Keep the messages of one request to the gateway; return its answer."""
        results = []
        for message in params.get("messages", ()):
            for number in message["numbers"]:
                self._keep(number, message["content"])
                results.append(
                    {"uuid": number["uuid"], "state": "success", "credit": 1}
                )
        uuids = [result["uuid"] for result in results]
        if params.get("webhook_url") and uuids:
            args = (params["webhook_url"], uuids)
            threading.Timer(DELIVERY_DELAY, report_delivered, args).start()
        return results

    def _keep(self, number, content):
        """Add one line."""
        line = {
            "time": time.time(),
            "number": number["number"],
            "uuid": number["uuid"],
            "content": content,
        }
        with self.lock, open(self.file, "a") as file:
            file.write(json.dumps(line) + "\n")

    def messages(self):
        """Return all of them, oldest first."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def report_delivered(url, uuids):
    """Tell Odoo that the SMS arrived, as the real gateway does. Only a server on
    this machine is told."""
    if urlsplit(url).hostname not in (HOST, "localhost"):
        return
    statuses = [{"sms_status": "delivered", "uuids": uuids}]
    body = {
        "jsonrpc": "2.0",
        "method": "call",
        "params": {"message_statuses": statuses},
    }
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError as error:
        print(f"delivery report failed: {error}", flush=True)


def show_mail(file):
    """Return one mail as the client's mail program would show it."""
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    part = mail.get_body(("html", "plain"))
    text = part.get_content() if part else ""
    if part and part.get_content_subtype() == "html":
        body = f'<iframe sandbox="{SANDBOX}" srcdoc="{html.escape(FRAME + text)}">'
        body += "</iframe>"
    else:
        body = f"<pre>{linked(text)}</pre>"
    attached = ", ".join(p.get_filename() or "?" for p in mail.iter_attachments())
    return _entry(
        f"Email from {mail['From']} to {mail['To']}, {mail['Date']}",
        mail["Subject"] or "",
        body + (f"<p>Attached: {html.escape(attached)}</p>" if attached else ""),
    )


def show_sms(message):
    """Return one SMS as the client's phone would show it."""
    when = time.strftime("%H:%M:%S", time.localtime(message["time"]))
    heading = f"SMS to {message['number']}, {when}"
    return _entry(heading, "", f"<pre>{linked(message['content'])}</pre>")


def _entry(heading, title, body):
    """Return one box of the page; `body` is HTML, the rest is text."""
    title = f"<h2>{html.escape(title)}</h2>" if title else ""
    heading = f"<header>{html.escape(heading)}</header>"
    return f"<article>{heading}{title}{body}</article>"


def linked(text):
    """Return plain text as HTML with working links."""
    parts, end = [], 0
    for found in ADDRESS.finditer(text):
        address = html.escape(found[0])
        parts.append(html.escape(text[end : found.start()]))
        parts.append(f'<a href="{address}" target="_blank" rel="noreferrer">')
        parts.append(f"{address}</a>")
        end = found.end()
    return "".join(parts) + html.escape(text[end:])


class Handler(BaseHTTPRequestHandler):
    """The page, and the gateway's one address."""

    mailbox = phone = None

    def do_GET(self):
        """Show everything that was caught."""
        if not self._asked_locally():
            return
        if self.path == "/count":
            self._answer(self._count(), "text/plain")
        elif self.path == "/":
            page = PAGE.format(entries=self._entries(), count=self._count())
            self._answer(page, "text/html")
        else:
            self.send_error(404)

    def do_POST(self):
        """Take SMS as Odoo's gateway does; any other service answers nothing."""
        if not self._asked_locally():
            return
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_REQUEST:
            self.send_error(413)
            return
        asked = json.loads(self.rfile.read(length))
        known = self.path == GATEWAY_PATH
        result = self.phone.accept(asked.get("params", {})) if known else {}
        answer = {"jsonrpc": "2.0", "id": asked.get("id"), "result": result}
        self._answer(json.dumps(answer), "application/json")

    def _asked_locally(self):
        """Refuse a foreign site that points its own name at this machine."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host in (HOST, "localhost"):
            return True
        self.send_error(403)
        return False

    def _count(self):
        """Return a text that changes when something new arrives."""
        return f"{len(self.mailbox.files())}.{len(self.phone.messages())}"

    def _entries(self):
        """Return the boxes, newest first."""
        dated = [(f.stat().st_mtime, show_mail(f)) for f in self.mailbox.files()]
        dated += [(m["time"], show_sms(m)) for m in self.phone.messages()]
        boxes = [box for _when, box in sorted(dated, reverse=True)]
        return "\n".join(boxes) or "<p>Nothing yet.</p>"

    def _answer(self, text, kind):
        """Send one answer."""
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        """Keep quiet: addresses may hold tokens."""


def main(folder, smtp_port, http_port):
    """Serve until somebody ends the process."""
    folder = Path(folder)
    Handler.mailbox, Handler.phone = Mailbox(folder), Phone(folder)
    smtp = Controller(
        Handler.mailbox,
        hostname=HOST,
        port=int(smtp_port),
        data_size_limit=LONGEST_REQUEST,
    )
    smtp.start()
    ThreadingHTTPServer((HOST, int(http_port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
