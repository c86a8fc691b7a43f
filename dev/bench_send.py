"""What sending to many costs, secure against standard, by three roads of Odoo.

Each road is taken three ways in one process of Odoo, against the same SMTP server and
SMS stub: as stock Odoo does it by default (email templates that delete their mails), as
stock Odoo that keeps its mails, and securely. Every way has contacts of its own, who
never got anything before: a secure send starts a conversation for each of them.
"""

import statistics
from itertools import count

ROADS = ("template", "composer", "sms")
WAYS = ("default", "kept", "secure")
ROUNDS = 5
TEXTS = {
    "subject": "About {{ object.name }}",
    "body": "<p>Dear <t t-out='object.name'/>,</p>"
    + "<p>Your results are in.</p>" * 20,
}
_numbers = count(1)
"""So that no two contacts share a phone: stock sends to each number once."""

# Both are run in Odoo's shell, with `params` before them
SET_UP = """
# What is queued is sent by who is measured, not by the server beside it
env.cr.execute("UPDATE ir_cron SET active = FALSE")
env.cr.commit()
company = env["res.company"].search([], limit=1)
env.ref("base.user_admin").email = "staff@bench.example"
company.write(dict(
    email="office@bench.example", country_id=env.ref("base.be").id,
    secure_messaging_enabled=True, secure_pin_required=False,
    secure_responsible_id=env.ref("base.user_admin").id))
for way in params["ways"]:
    env["mail.template"].create(dict(
        name=f"bench {way}", model_id=env["ir.model"]._get("res.partner").id,
        subject=params["subject"], body_html=params["body"],
        auto_delete=way == "default", send_securely=way == "secure"))
"""

MEASURE = """
import gc, logging, resource, time
logging.disable(logging.WARNING)
count, seed = params["count"], params["seed"]
staff = env.ref("base.user_admin")
env = env(user=staff.id, context=dict(allowed_company_ids=staff.company_id.ids))


def contacts(way, start):
    ids = []
    # A few at a time: the peak of memory is to be that of sending
    while len(ids) < count:
        ids += env["res.partner"].create([
            dict(name=f"{way} {seed} {n}", email=f"{way}{seed}n{n}@bench.example",
                 phone=f"+3247{start + n:07d}")
            for n in range(len(ids), min(len(ids) + 100, count))]).ids
        env.cr.commit()
    return ids


def by_template(way, ids):
    template = env["mail.template"].search([("name", "=", f"bench {way}")])
    mails = template.send_mail_batch(ids)
    env.cr.commit()
    left = mails.ids
    while left:
        env["mail.mail"].sudo().process_email_queue(email_ids=left[:1000])
        left = left[1000:]


def by_composer(way, ids):
    composer = env["mail.compose.message"].with_context(
        default_composition_mode="mass_mail", default_model="res.partner",
        active_ids=ids).create(dict(
            subject=params["subject"], body=params["body"],
            secure_send=way == "secure", auto_delete=way == "default",
            auto_delete_keep_log=True, force_send=True))
    composer._action_send_mail(auto_commit=True)


def by_sms(way, ids):
    env["sms.composer"].create(dict(
        res_model="res.partner", res_ids=repr(ids), composition_mode="mass",
        body=params["subject"] + ": your results are in.",
        secure_send=way == "secure", mass_keep_log=True, mass_force_send=False,
    )).action_send_sms()
    env.cr.commit()
    queue = env["sms.sms"].sudo()
    while queue.search_count([("state", "=", "outgoing")]):
        queue._process_queue()
        env.cr.commit()


result = {}
for turn, way in enumerate(params["ways"]):
    ids = contacts(way, params["start"] + turn * count)
    env.invalidate_all()
    gc.collect()
    before, start = env.cr.sql_log_count, time.perf_counter()
    globals()["by_" + params["road"]](way, ids)
    env.cr.commit()
    result[way] = dict(
        seconds=time.perf_counter() - start,
        queries=(env.cr.sql_log_count - before) / count,
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def measure(stage, road, size, ways=WAYS, seed=""):
    """One round of a road: what each way took, in its own turn.

    :return: dict by way of ``seconds``, ``queries`` for each recipient, and
        ``peak`` (MB of the process so far)
    """
    params = {
        **TEXTS,
        "road": road,
        "count": size,
        "ways": ways,
        "seed": seed,
        "start": next(_numbers) * len(ways) * size,
    }
    before = stage.left_count()
    taken = stage.odoo(f"params = {params!r}\n{MEASURE}")
    left = stage.left_count() - before
    if left != size * len(ways):
        raise AssertionError(f"{left} left by {road}, not {size} each way")
    return taken


def set_up(stage):
    """Templates and the company, once."""
    stage.odoo(f"params = {dict(TEXTS, ways=WAYS)!r}\n{SET_UP}")


def median_of(rounds, way, what):
    """Median over the rounds."""
    return statistics.median(row[way][what] for row in rounds)


def compare(stage, size, rounds):
    """All roads at one size.

    :return: (figures by name, lines of the table)
    """
    figures, lines = {}, []
    for road in ROADS:
        taken = []
        for number in range(rounds):
            turns = WAYS if number % 2 else tuple(reversed(WAYS))
            taken.append(measure(stage, road, size, turns, f"{size}x{number}"))
        seconds = {way: median_of(taken, way, "seconds") for way in WAYS}
        queries = {way: median_of(taken, way, "queries") for way in WAYS}
        name = f"send_{road}_{size}"
        figures[name] = round(seconds["secure"] / seconds["kept"], 3)
        figures[f"{name}_default"] = round(seconds["secure"] / seconds["default"], 3)
        figures[f"{name}_queries"] = round(queries["secure"], 2)
        cells = [f"{road:9} {size:6,}"]
        cells += [f"{seconds[w]:7.1f} s {queries[w]:5.1f} q" for w in WAYS]
        cells += [f"{figures[name]:5.2f}", f"{figures[f'{name}_default']:5.2f}"]
        lines.append(" | ".join(cells))
    return figures, lines


def memory(stage, sizes):
    """Peak memory of a process that sends securely, in MB, by road and size."""
    return {
        f"send_{road}_{size}_peak_mb": measure(
            stage, road, size, ("secure",), f"m{size}"
        )["secure"]["peak"]
        for road in ROADS
        for size in sizes
    }


def run(stage, full):
    """Measure, print, and return the figures.

    :param bool full: 10,000 recipients, too: one pair, as it takes long
    """
    set_up(stage)
    plan = [(100, 1), (1000, ROUNDS), *([(10_000, 1)] if full else [])]
    figures = {}
    head = ("road, size", "stock default", "stock that keeps", "secure", "/ kept")
    print("    " + " | ".join((*head, "/ default")))
    for size, rounds in plan:
        found, lines = compare(stage, size, rounds)
        figures |= found
        for line in lines:
            print(f"    {line}", flush=True)
    peaks = memory(stage, [size for size, _rounds in plan])
    for name, peak in peaks.items():
        print(f"    {name:32} {peak:6,} MB")
    return figures | peaks
