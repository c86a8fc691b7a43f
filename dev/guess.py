"""`make guess`: how far somebody gets who holds links and guesses PINs.

Ten thousand attackers against the module's own code, each with a victim of their own,
as many network addresses and links as they like, and a clock that jumps to the end of
each lock; before, one attacker against the running server, up to the first lock. Exit
code 0 means that the server locked, and that none had more guesses than it allows.
"""

import os
import re
import time

import requests
from smoke import check, tell
from stage import Stage

ATTACKERS = int(os.environ.get("ATTACKERS") or 10_000)
LENGTHS = (4, 6)
WRONG_IN_A_ROW = 10  # more than the server lets through
LOCKED = 429

SIMULATION = """
import itertools
import random
from datetime import datetime, timedelta
from unittest.mock import patch
from freezegun import freeze_time
from odoo import sql_db
from odoo.addons.secure_messaging.tools import pin_policy

length, attackers = params["length"], params["attackers"]
# With a clock that jumps, each connection would look too old to be used again
sql_db.MAX_IDLE_TIMEOUT = float("inf")
pin_policy._hasher = pin_policy._hasher.using(rounds=1)
company = env["res.company"].search([], limit=1)
staff = env.ref("base.user_admin")
env["res.company"].search([]).write(dict(
    secure_messaging_enabled=True, secure_pin_required=False,
    secure_responsible_id=staff.id))
START = datetime(2030, 1, 1, 12)
addresses = itertools.count()


def allowed(pin):
    try:
        pin_policy.check(pin)
    except pin_policy.PinRefused:
        return False
    return True


def random_pins(count):
    while count:
        pin = f"{random.randrange(10 ** length):0{length}d}"
        if allowed(pin):
            count -= 1
            yield pin


def distinct_guesses():
    seen = set()
    while True:
        [pin] = random_pins(1)
        if pin not in seen:
            seen.add(pin)
            yield pin


def new_link(thread):
    return env["secure.link"]._issue([dict(
        thread_id=thread.id, message_id=0, channel="email", duration=8760,
        address=thread.partner_id.email_normalized)])


def attack(thread, clock):
    '''Whether the PIN was found, with how many guesses, in what time'''
    link, guesses = new_link(thread), distinct_guesses()
    moment, count = START, 0
    while True:
        clock.move_to(moment)
        number = next(addresses)
        where = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        outcome, lock = env["secure.pin"]._try(link, next(guesses), where)
        count += outcome != "locked"
        if outcome == "right":
            return True, count, moment - START
        if not lock:
            continue
        kind, until = lock
        if kind == "contact":
            return False, count, moment - START
        if until:
            moment = until
        else:
            link = new_link(thread)


space = sum(allowed(f"{n:0{length}d}") for n in range(10 ** length))
hits, counts, longest = 0, [], timedelta()
# What is written down of a try does not decide about it
with patch.object(type(env["secure.pin"]), "_note_try", lambda *args: None), \\
        freeze_time(START) as clock:
    done = 0
    while done < attackers:
        size = min(500, attackers - done)
        partners = env["res.partner"].create([
            dict(name=f"Victim {n}", email=f"v{length}n{done + n}@guess.example")
            for n in range(size)])
        threads = env["secure.thread"].sudo().create([
            dict(company_id=company.id, partner_id=partner.id,
                 responsible_id=staff.id, pin_rule="contact")
            for partner in partners])
        for partner, pin in zip(partners, random_pins(size)):
            env["secure.pin"]._set(partner, pin)
        env.cr.commit()
        for thread in threads:
            hit, count, taken = attack(thread, clock)
            hits += hit
            counts.append(count)
            longest = max(longest, taken)
            env.cr.commit()
        env.invalidate_all()
        done += size
result = dict(space=space, hits=hits, guesses=sum(counts), most=max(counts),
              allowed=pin_policy.WRONG_PINS_PER_CONTACT,
              longest_hours=longest.total_seconds() / 3600)
"""

VICTIM = """
env["res.company"].search([]).write(dict(
    email="office@guess.example", secure_messaging_enabled=True,
    secure_responsible_id=env.ref("base.user_admin").id))
contact = env["res.partner"].create(dict(name="Victim", email="victim@guess.example"))
env["secure.pin"]._set(contact, "830617")
env["secure.thread"]._send([dict(
    partner=contact, company=env.company, body="<p>Hello</p>")])
"""


def simulate(stage, length):
    """All attackers against PINs of one length; prints and returns what came out."""
    params = {"length": length, "attackers": ATTACKERS}
    start = time.monotonic()
    found = stage.odoo(f"params = {params!r}\n{SIMULATION}")
    most = found["most"]
    found["expected_hits"] = ATTACKERS * most / found["space"]
    tell(
        f"{length} digits: {found['hits']} of {ATTACKERS} PINs found; expected "
        f"{ATTACKERS} x {most} / {found['space']} = {found['expected_hits']:.1f}; "
        f"{found['longest_hours']:.1f} h on the attacker's clock, "
        f"{time.monotonic() - start:.0f} s on ours"
    )
    return found


def real_run(stage):
    """Wrong PINs over HTTP, from one address, until the server locks."""
    stage.odoo(VICTIM)
    mail = stage.wait_for("the notification", stage.mails)[-1]
    text = mail.get_body(("plain", "html")).get_content()
    path = re.search(r"/sm/[0-9A-Za-z]{33}", text)[0]
    session, seconds = requests.Session(), []
    for number in range(WRONG_IN_A_ROW):
        gate = session.get(stage.base_url + path, timeout=30).text
        form_token = re.search(r'name="form_token"[^>]*value="([0-9a-f]+)"', gate)[1]
        start = time.monotonic()
        answer = session.post(
            stage.base_url + path,
            data={
                "form_token": form_token,
                "pin": f"7406{10 + number}",
            },
            timeout=30,
        )
        seconds.append(time.monotonic() - start)
        if answer.status_code == LOCKED:
            break
    return {
        "answers_before_lock": len(seconds) - 1,
        "status": answer.status_code,
        "milliseconds": [round(1000 * taken) for taken in seconds],
    }


def main():
    """Both, into build/bench.json; then what must hold."""
    stage = Stage.here()
    real = real_run(stage)
    tell(f"on the server: {real}")
    figures = {"guess_real_run": real}
    for length in LENGTHS:
        figures[f"guess_{length}_digits"] = simulate(stage, length)
    stage.write_bench(figures)
    check(real["status"] == LOCKED, f"the server locks after {WRONG_IN_A_ROW} at most")
    for length in LENGTHS:
        found = figures[f"guess_{length}_digits"]
        check(
            0 < found["most"] <= found["allowed"],
            f"{length} digits: nobody had more than {found['allowed']} guesses",
        )


if __name__ == "__main__":
    main()
