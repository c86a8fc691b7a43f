"""What keys cost: to seal and to open a message, and to seal all of them anew.

Messages are put into the table as `_send` would have sealed them, by SQL, as sending
is measured elsewhere. The change of keys runs in a process of its own, as the command
does, with the new key in its environment.
"""

import base64
import json
import os
import secrets
import signal
import subprocess
import time

BODY_BYTES = 10_000
MESSAGE_BYTES = 1_000
TIMES = 2_000
SMALL, USUAL, FULL = 1_000, 10_000, 100_000

SEAL = """
import statistics, time
from odoo.addons.secure_messaging.tools.keyring import Purpose, new_uid
keys, text = env["secure.keyring"], "x" * params["size"]
sealing, opening = [], []
for _time in range(params["times"]):
    place = ("mail.message", new_uid(), "body")
    start = time.perf_counter()
    sealed = keys._seal(Purpose.CONTENT, place, text)
    middle = time.perf_counter()
    opened = keys._open(Purpose.CONTENT, place, sealed)
    opening.append(time.perf_counter() - middle)
    sealing.append(middle - start)
    assert opened == text
result = dict(seal=statistics.median(sealing) * 1000,
              open=statistics.median(opening) * 1000)
"""

FILL = """
from psycopg2.extras import execute_values
from odoo.addons.secure_messaging.tools.keyring import Place, Purpose, new_uid
company, staff = env.company, env.ref("base.user_admin")
company.write(dict(email="office@bench.example", secure_messaging_enabled=True,
                   secure_pin_required=False, secure_responsible_id=staff.id))
partner = env["res.partner"].create(dict(name="Keys", email="keys@bench.example"))
[sent] = env["secure.thread"].with_user(staff)._send([
    dict(partner=partner, company=company, body="<p>first</p>")])
ring = env["secure.keyring"]._sealing_ring()
subtype, text = env.ref("mail.mt_note").id, "x" * params["size"]
for start in range(0, params["count"], 1000):
    rows = []
    for _row in range(min(1000, params["count"] - start)):
        uid = new_uid()
        rows.append((
            uid, ring.seal_text(
                Purpose.CONTENT, Place("mail.message", uid, "body"), text),
            "secure.thread", sent.thread.id, "internal", "comment", subtype))
    execute_values(env.cr._obj, '''INSERT INTO mail_message
        (secure_uid, secure_body, model, res_id, secure_direction, message_type,
         subtype_id) VALUES %s''', rows)
    env.cr.commit()
env.cr.execute("ANALYZE mail_message")
"""

ROTATE = """
import resource, time
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
keys = env["secure.keyring"]
elsewhere, whole = keys._sealed_counts()
before, start = peak(), time.perf_counter()
done = keys._rotate()
result = dict(seconds=time.perf_counter() - start, growth=peak() - before,
              before=before, rows=elsewhere, done=done)
"""

LAST_HEAD = """
SELECT left(secure_body, 12) FROM mail_message WHERE secure_body IS NOT NULL
 ORDER BY id DESC LIMIT 1
"""
COUNT_HEADS = """
SELECT count(*) FROM mail_message WHERE starts_with(secure_body, '{}')
"""


class Keys:
    """Two keys that take each other's place, on one database."""

    def __init__(self, stage):
        """Take the server's own key, and make another."""
        self.stage = stage
        old = (stage.data_dir / "secure_messaging.key").read_text().strip()
        new = base64.b64encode(secrets.token_bytes(32)).decode()
        self.rings = {"new": f"{new},{old}", "old": f"{old},{new}"}

    def shell(self, code, first):
        """A process with Odoo's shell that runs code, with one of the keys first."""
        process = subprocess.Popen(
            self.stage.shell_command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"SECURE_MESSAGING_KEYS": self.rings[first]},
            start_new_session=True,
        )
        wrapped = f"{code}\nenv.cr.commit()\nimport json\nprint(json.dumps(result))"
        process.stdin.write(f"exec(compile({wrapped!r}, '<bench>', 'exec'))")
        process.stdin.close()
        return process

    def rotate(self, first):
        """Seal all with one of the keys; what it took."""
        process = self.shell(ROTATE, first)
        printed = process.stdout.read()
        if process.wait():
            raise AssertionError("the change of keys failed")
        return json.loads(printed.splitlines()[-1])

    def rotate_killed(self, first, count):
        """Kill it when half is done.

        :return: how many messages were done by then
        """
        before = self.heads()
        process = self.shell(ROTATE, first)
        while True:
            done = before - self.heads(before)
            if done >= count / 2:
                break
            if process.poll() is not None:
                raise AssertionError("it was done before it could be killed")
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return before - self.heads(before)

    def heads(self, known=None):
        """How many messages are sealed with the key that seals most of them."""
        if known is None:
            self.head = self.stage.psql(LAST_HEAD).strip()
        return int(self.stage.psql(COUNT_HEADS.format(self.head)))


def run(stage, full):
    """Measure, print, and return the figures.

    :param bool full: 100,000 messages
    """
    keys, count = Keys(stage), FULL if full else USUAL
    stage.odoo("env.cr.execute('UPDATE ir_cron SET active = FALSE')")
    once = stage.odoo(f"params = dict(size={BODY_BYTES}, times={TIMES})\n{SEAL}")
    fill = f"size={MESSAGE_BYTES}, count="
    stage.odoo(f"params = dict({fill}{SMALL})\n{FILL}")
    small = keys.rotate("new")
    keys.rotate("old")
    stage.odoo(f"params = dict({fill}{count - SMALL})\n{FILL}")
    whole = keys.rotate("new")
    half = keys.rotate_killed("old", count)
    rest = keys.rotate("old")
    if not (small["done"] and whole["done"] and rest["done"]):
        raise AssertionError("a change of keys did not come to its end")
    if rest["rows"] > whole["rows"] - half:
        raise AssertionError("what was done before the kill was done again")
    figures = {
        "seal_10kb_ms": round(once["seal"], 4),
        "open_10kb_ms": round(once["open"], 4),
        f"rotate_{count}_seconds": round(whole["seconds"], 1),
        f"rotate_{count}_growth_mb": round(whole["growth"], 1),
        f"rotate_{SMALL}_growth_mb": round(small["growth"], 1),
    }
    print(
        f"    seal / open 10 kB            {once['seal']:.3f} / {once['open']:.3f} ms"
        "   (each under 1 ms)"
    )
    print(
        f"    change of keys, {whole['rows']:,} rows: {whole['seconds']:.1f} s; memory "
        f"grows by {whole['growth']:.1f} MB over {whole['before']:.0f}, "
        f"by {small['growth']:.1f} with {small['rows']:,} rows"
    )
    print(
        f"    killed after {half:,}: {rest['rows']:,} rows were left, "
        f"done in {rest['seconds']:.1f} s"
    )
    return figures
