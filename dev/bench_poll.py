"""The part of `make bench` with open pages: 50 readers whose pages ask for news every
15 seconds."""

import random
import statistics
import threading
from time import perf_counter, sleep

from road import PIN

READERS = 50
SECONDS = 15
ROUNDS = 4
ALONE = 40
WARM_UP = 5
MESSAGES = 20

MAKE_DOORS = f"""
staff = env["res.users"].search([("login", "=", "sam")])
threads = env["secure.thread"].with_user(staff)
partners = env["res.partner"].create(
    [dict(name=f"Reader {{n}}", email=f"reader{{n}}@bench.example")
     for n in range({READERS})])
for partner in partners:
    env["secure.pin"]._set(partner, "{PIN}")
sent = threads._send([
    dict(partner=partner, company=env.company, body="<p>text</p>" * 20)
    for partner in partners], leave=False)
threads._send([
    dict(thread=row.thread, body="<p>text</p>", direction="inbound")
    for row in sent for _number in range({MESSAGES} - 1)])
result = []
for row in sent:
    grant, secret = env["secure.grant"]._open(row.link.sudo())
    messages = env["secure.page"]._page_messages(row.thread.sudo())
    marks = [env["secure.page"]._message_mark(message) for message in messages]
    result.append([f"/sm/c/{{grant.handle}}/news?known=" + ".".join(marks), secret])
"""


class Polling:
    """Open pages of different conversations."""

    def __init__(self, bench):
        """Have the doors open."""
        self.bench = bench
        self.doors = bench.stage.odoo(MAKE_DOORS)
        self.times = []

    def ask(self, door):
        """Milliseconds until one answer is there."""
        path, secret = door
        connection = self.bench.connect()
        start = perf_counter()
        connection.request("GET", path, headers={"Cookie": f"sm={secret}"})
        answer = connection.getresponse()
        body = answer.read()
        milliseconds = (perf_counter() - start) * 1000
        if answer.status != 200 or b'"html": ""' not in body:
            raise AssertionError(f"news answered {answer.status}: {body[:200]}")
        return milliseconds

    def alone(self):
        """The median of one reader."""
        times = [self.ask(self.doors[0]) for _number in range(WARM_UP + ALONE)]
        return statistics.median(times[WARM_UP:])

    def together(self):
        """The 95th percentile of all of them at once."""
        readers = [
            threading.Thread(target=self.read, args=(door, random.uniform(0, SECONDS)))  # noqa: S311
            for door in self.doors
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        if len(self.times) != READERS * ROUNDS:
            raise AssertionError(f"only {len(self.times)} answers came")
        return statistics.quantiles(self.times, n=20)[-1]

    def read(self, door, start):
        """One page that stays open for a while."""
        sleep(start)
        for _round in range(ROUNDS):
            begin = perf_counter()
            self.times.append(self.ask(door))
            sleep(max(0, SECONDS - (perf_counter() - begin)))


def run(bench):
    """:return: the figure, and the row to be printed"""
    polling = Polling(bench)
    alone, together = polling.alone(), polling.together()
    row = (
        "50 pages polling: p95 / one",
        together / alone,
        "at most 3.0",
        f"{together:.1f} / {alone:.1f} ms",
    )
    return {"polling_p95_vs_one": round(together / alone, 2)}, row
