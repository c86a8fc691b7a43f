"""`make bench`: what the module costs, as ratios measured in one run.

Every ratio compares two things on the same server, in the same run, taken in turns, so
that the machine's mood cancels out. Absolute figures stand beside them for orientation.
"""

import gzip
import http.client
import os
import statistics
import sys
from itertools import count
from time import perf_counter
from urllib.parse import urlencode, urlsplit

import bench_keys
import bench_poll
import bench_send
import psutil
from road import PIN, SET_UP, WRONG_PIN
from stage import Stage

ROUNDS = 60
"""Pairs of requests for the time to first byte; the median is taken."""
WARM_UP = 5
CONTACTS = 4
WRONG_PER_ADDRESS, ADDRESSES_PER_CONTACT = 4, 4
"""One less than locks, each from addresses of its own (127.0.0.0/8 is all ours)."""
LOCKED_TRIES = 128

MAKE_LINKS = """
import re
from odoo.addons.secure_messaging.tools.pin_policy import WRONG_PINS_PER_ADDRESS
company, staff = env.company, env["res.users"].browse({staff})
partners = env["res.partner"].create(
    [dict(name=f"Client {{n}}", email=f"client{{n}}@bench.example")
     for n in range({count})])
for partner in partners:
    env["secure.pin"]._set(partner, "{pin}")
sent = env["secure.thread"].with_user(staff)._send([
    dict(partner=partner, company=company, subject="Bench", body="<p>text</p>" * 20)
    for partner in partners])
urls = [row.link._urls()[row.link.id] for row in sent]
result = urls
"""


class Bench:
    """The running server, and what is asked of it."""

    def __init__(self, stage):
        """Make one link for each contact."""
        self.stage = stage
        self.server = psutil.Process(stage.odoo_pid)
        self.address = urlsplit(stage.base_url)
        self.sources = (f"127.0.{n // 200 + 1}.{n % 200 + 1}" for n in count())
        people = stage.odoo(SET_UP)
        code = MAKE_LINKS.format(staff=people["staff"], count=CONTACTS, pin=PIN)
        self.paths = [urlsplit(url).path for url in stage.odoo(code)]

    def first_byte(self):
        """Milliseconds to the first byte, medians: (gate, login)."""
        gate, login = [], []
        for index in range(WARM_UP + 1 + ROUNDS):
            turns = [(gate, self.paths[0]), (login, "/web/login")]
            for times, path in turns if index % 2 else reversed(turns):
                times.append(self.time_get(path))
            if index == WARM_UP:
                gate.clear()
                login.clear()
        return statistics.median(gate), statistics.median(login)

    def weight(self):
        """Gzipped bytes of all files of the heavier page, by file."""
        with self.stage.browser() as browser:
            page = browser.new_page()
            gate = self.files_of(
                page, lambda: page.goto(self.stage.base_url + self.paths[1])
            )
            page.fill("input[name=pin]", PIN)
            conversation = self.files_of(page, lambda: page.click("main form button"))
        static = {name: size for name, size in gate.items() if "static" in name}
        return max(gate, static | conversation, key=lambda files: sum(files.values()))

    def pins(self):
        """Milliseconds of server CPU for a wrong PIN and for a locked answer."""
        wrong = self.cpu_each(self.wrong_tries, 403)
        source = next(self.sources)
        for _try in range(5):
            self.post_pin(self.paths[0], source)
        locked = self.cpu_each(
            [(self.paths[0], source)] * LOCKED_TRIES,
            429,
        )
        return wrong, locked

    # -- measuring -------------------------------------------------------------

    @property
    def wrong_tries(self):
        """(path, source address) of each wrong try, none of which may lock."""
        return [
            (path, source)
            for path in self.paths
            for source in [next(self.sources) for _n in range(ADDRESSES_PER_CONTACT)]
            for _try in range(WRONG_PER_ADDRESS)
        ]

    def cpu_each(self, tries, status):
        """Server CPU milliseconds of each try; all must have the expected answer."""
        for path, source in tries[:1]:
            self.gate_form(path, source)
        before = self.cpu()
        for path, source in tries:
            seen = self.post_pin(path, source)
            if seen != status:
                raise AssertionError(f"expected {status}, got {seen}")
        return (self.cpu() - before) * 1000 / len(tries)

    def cpu(self):
        """CPU seconds used so far by the server and its workers."""
        processes = [self.server, *self.server.children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    def time_get(self, path):
        """Milliseconds until the answer's head is there."""
        connection = self.connect()
        start = perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        seconds = perf_counter() - start
        answer.read()
        if answer.status != 200:
            raise AssertionError(f"{path} answered {answer.status}")
        return seconds * 1000

    def files_of(self, page, act):
        """What a page loads, gzipped, by address."""
        answers = []

        def note(answer):
            answers.append(answer)

        page.on("response", note)
        act()
        page.wait_for_load_state("networkidle")
        sizes = {}
        for answer in answers:
            if answer.status == 200:
                sizes[urlsplit(answer.url).path] = len(gzip.compress(answer.body()))
        page.remove_listener("response", note)
        return sizes

    def post_pin(self, path, source):
        """Try the wrong PIN; the answer's status."""
        body = urlencode({"form_token": self.gate_form(path), "pin": WRONG_PIN})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": "sm_ok=1",
        }
        connection = self.connect(source)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def gate_form(self, path, source=None, seen={}):  # noqa: B006 - a cache
        """The gate's form token, fetched once."""
        if path not in seen:
            connection = self.connect(source)
            connection.request("GET", path)
            html = connection.getresponse().read().decode()
            seen[path] = (
                html.split('name="form_token"')[1].split('value="')[1].split('"')[0]
            )
        return seen[path]

    def connect(self, source=None):
        """A new connection, from one of our own loopback addresses."""
        return http.client.HTTPConnection(
            self.address.hostname,
            self.address.port,
            timeout=60,
            source_address=(source, 0) if source else None,
        )


def main(stage):
    """Measure, print a table, write build/bench.json."""
    full = bool(os.environ.get("FULL"))
    if os.environ.get("ARGS") == "keys":
        stage.write_bench(bench_keys.run(stage, full))
        return 0
    bench = Bench(stage)
    gate, login = bench.first_byte()
    files = bench.weight()
    wrong, locked = bench.pins()
    polling, polling_row = bench_poll.run(bench)
    figures = {
        "gate_vs_login_ttfb": round(gate / login, 3),
        "page_gzip_bytes": sum(files.values()),
        "wrong_pin_vs_locked": round(wrong / locked, 2),
        **polling,
    }
    rows = [
        (
            "first byte: gate / login",
            gate / login,
            "at most 1.0",
            f"{gate:.1f} / {login:.1f} ms",
        ),
        (
            "page, gzipped bytes",
            sum(files.values()),
            "under 30,000",
            f"{len(files)} files",
        ),
        (
            "CPU: wrong PIN / locked",
            wrong / locked,
            "at least 10",
            f"{wrong:.1f} / {locked:.1f} ms",
        ),
        polling_row,
    ]
    for what, value, bar, detail in rows:
        print(f"    {what:28} {value:10,.2f}   {bar:14} ({detail})")
    for name, size in sorted(files.items()):
        print(f"        {size:6,} B  {name}")
    figures |= bench_send.run(stage, full)
    figures |= bench_keys.run(stage, full)
    stage.write_bench(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(Stage.here()))
