"""How long an open page waits for its news: one reader alone, and fifty at a time, each
of whom asks as often as the page does."""

import random
import re
import statistics
import threading
from time import monotonic, perf_counter, sleep
from urllib.parse import urlsplit

import requests
from road import PIN

READERS = 50
EVERY = 15  # seconds, as static/src/page/page.js
LASTS = 60  # seconds
ALONE = 100  # requests of one reader

MAKE = """
staff = env["res.users"].browse({staff})
partners = env["res.partner"].create([
    dict(name=f"Reader {{n}}", email=f"reader{{n}}@bench.example")
    for n in range({count})])
for partner in partners:
    env["secure.pin"]._set(partner, "{pin}")
result = []
for turn in range(10):
    sent = env["secure.thread"].with_user(staff)._send([
        dict(partner=partner, company=env.company, subject="Bench",
             body="<p>text</p>" * 20, **dict(thread=threads[partner]) if turn else {{}})
        for partner in partners])
    threads = {{row.thread.partner_id: row.thread for row in sent}}
    result = [row.link._urls()[row.link.id] for row in sent]
"""


class Reader:
    """A browser with an open conversation."""

    def __init__(self, base_url, path):
        """Enter the PIN, and note what the page has."""
        self.session = requests.Session()
        gate = self.session.get(base_url + path, timeout=60).text
        token = re.search(r'name="form_token"[^>]*value="([0-9a-f]+)"', gate)[1]
        form = {"form_token": token, "pin": PIN}
        page = self.session.post(base_url + path, data=form, timeout=60).text
        marks = re.findall(r'data-mark="([^"]*)"', page)
        news = re.search(r'data-news="([^"]*)"', page)[1]
        self.url = f"{base_url}{news}?known={'.'.join(marks)}"

    def ask(self):
        """Milliseconds that an answer takes, with nothing new in it."""
        start = perf_counter()
        answer = self.session.get(self.url, timeout=60)
        taken = 1000 * (perf_counter() - start)
        if answer.status_code != 200 or answer.json()["html"]:
            raise AssertionError(f"{answer.status_code}: {answer.text[:200]}")
        return taken


def measure(stage, staff):
    """Milliseconds: (median of one reader alone, 95 % of fifty, their number)."""
    code = MAKE.format(staff=staff, count=READERS, pin=PIN)
    paths = [urlsplit(url).path for url in stage.odoo(code)]
    readers = [Reader(stage.base_url, path) for path in paths]
    for _warm_up in range(10):
        readers[0].ask()
    alone = statistics.median(readers[0].ask() for _n in range(ALONE))
    taken, failed = [], []

    def read(reader):
        """Ask now and then, from a random moment on."""
        end = monotonic() + LASTS
        sleep(random.random() * EVERY)
        try:
            while monotonic() < end:
                taken.append(reader.ask())
                sleep(EVERY)
        except (AssertionError, requests.RequestException) as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(one,)) for one in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise AssertionError(f"{len(failed)} readers failed: {failed[0]}")
    return alone, statistics.quantiles(taken, n=20)[-1], len(taken)
