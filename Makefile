# Everything is done by dev/cli.py; each target does all set-up it needs by itself.
PYTHON ?= python3
export ONCE ARGS ATTACKERS PORT WORKERS DB SUITES REDO ODOO_HOME FULL

.PHONY: help run smoke test suites compare interop mutants page pictures bench guess kill lockout restore shell psql hold setup lint clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make run        Odoo with demo data, and a page with the mails and SMS it sends"
	@echo "                (PORT=8069; WORKERS=2 for several processes; ONCE=1 ends it again)"
	@echo "make test       the tests (ARGS=\"tests/test_x.py -k word\" chooses)"
	@echo "make suites     Odoo's own tests with the module installed (SUITES=\"sms portal\")"
	@echo "make compare    Odoo's own tests without the module and with it: what differs"
	@echo "                (SUITES=\"sms portal\"; REDO=1 runs the side without anew)"
	@echo "make interop    tests beside OCA's helpdesk_mgmt, which it downloads"
	@echo "make mutants    small faults in the code of PINs, links and log: are they noticed?"
	@echo "make smoke      the whole road without hands: SMTP, SMS, browser"
	@echo "make page       the public page in a browser: accessibility, keyboard, its script"
	@echo "make pictures   the pictures in docs/pictures, taken anew"
	@echo "make bench      what it costs, into build/bench.json (FULL=1: with 10,000 contacts and"
	@echo "                100,000 messages, too; ARGS=keys: keys alone)"
	@echo "make guess      how far guessing PINs gets 10,000 attackers (ATTACKERS=100: a look)"
	@echo "make kill       a send to 2,000 while a worker and PostgreSQL are killed"
	@echo "make restore    a backup put back elsewhere, with its key and without"
	@echo "make lockout    200 wrong PINs at once, at a server with two workers"
	@echo "make lint       style and static checks"
	@echo "make shell      Odoo's shell on the demo database (DB=... for another)"
	@echo "make psql       psql, likewise"
	@echo "make hold       keep PostgreSQL running, for work by hand"
	@echo "make setup      only the set-up that the targets above do by themselves"
	@echo "make clean      remove this checkout's databases and build/"
	@echo "make distclean  remove the downloads and the private PostgreSQL, too"
	@echo
	@echo "ODOO_HOME=<folder> uses the Odoo 19 you have instead of downloading one."

run smoke test suites compare interop mutants page pictures bench guess kill lockout restore shell psql hold setup clean distclean:
	@$(PYTHON) dev/cli.py $@

lint:
	@dev/lint
