# workorder: one shared library, one engine extension, and the add-ons in sql/.
#
# Every SQL room has the same shape: sql/<room>/modules/*.sql, concatenated in
# the order given here into the install script of its extension.

EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" workorder.control)

# The engine's modules, in the order in which they depend on each other.
ENGINE_MODULES = header identity search flow actor access journal ask reply diagram prove http idempotency guard migrate simulate why totals outbox input addon identify attachment approval tables ddl timer verify keys seal install grants
# Each add-on: its modules, in order; a line @flow@ in them stands for its flow.json.
ADDONS = active_job afterservice call_center cloud_support dispatch
active_job_MODULES = header flow install people contacts orders lists import http grants
afterservice_MODULES = header flow install people orders parts duty lists http grants
call_center_MODULES = header flow people directories install tickets lists http grants
cloud_support_MODULES = header flow install people workorders replies http grants
dispatch_MODULES = header flow install people images tickets replies http grants

MODULE_big = workorder
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
# The tests build with WERROR=-Werror; a user's newer compiler may warn in peace.
PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
SHLIB_LINK = $(filter -lcrypto, $(LIBS))

EXTENSION = workorder $(foreach a,$(ADDONS),sql/$(a)/workorder_$(a))
ENGINE_SQL = $(ENGINE_MODULES:%=sql/workorder/modules/%.sql)
ENGINE_SCRIPT = sql/workorder--$(EXTVERSION).sql
ADDON_SCRIPTS = $(foreach a,$(ADDONS),sql/workorder_$(a)--$(EXTVERSION).sql)
DATA_built = $(ENGINE_SCRIPT) $(ADDON_SCRIPTS)
# This version's scripts are built; when it is released, they are frozen too.
FROZEN = $(foreach s,$(DATA_built),sql/$(or $(filter $(ADDONS),$(patsubst workorder_%--$(EXTVERSION).sql,%,$(notdir $(s)))),workorder)/releases/$(notdir $(s)))
DATA = $(filter-out $(FROZEN),$(sort $(wildcard sql/*/releases/*.sql sql/*/updates/*.sql)))

# A module that nobody listed would silently not be installed.
UNLISTED = $(filter-out $(ENGINE_SQL) $(foreach a,$(ADDONS),$($(a)_MODULES:%=sql/$(a)/modules/%.sql)),$(wildcard sql/*/modules/*.sql))
ifneq ($(UNLISTED),)
$(error SQL modules not listed in the Makefile: $(UNLISTED))
endif

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --launcher=$(abspath $(srcdir))/test/tools/condense.sh
EXTRA_CLEAN = sql/*--*.sql.tmp results output_iso regression.diffs regression.out

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# Without the server's development files there would be no rule for anything.
ifneq ($(filter-out dist deb,$(or $(MAKECMDGOALS),all)),)
MAJOR := $(shell $(PG_CONFIG) --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p')
PACKAGE = install it (in Debian: apt install postgresql-server-dev-$(or $(MAJOR),15)), or say PG_CONFIG=<path of another>
ifeq ($(MAJOR),)
$(error there is no $(PG_CONFIG), which tells where PostgreSQL is: $(PACKAGE))
endif
ifneq ($(words $(wildcard $(PGXS) $(shell $(PG_CONFIG) --includedir-server)/postgres.h)),2)
$(error there are no development files of the server for $(PG_CONFIG), PostgreSQL $(MAJOR): $(PACKAGE))
endif
endif

all: $(DATA_built)

ifneq ($(PGXS),)
include $(PGXS)
endif

$(OBJS): $(wildcard src/*/*.h)
src/init.o src/init.bc: workorder.control
src/init.o src/init.bc: override CPPFLAGS += -DWO_VERSION='"$(EXTVERSION)"'

$(ENGINE_SCRIPT): $(ENGINE_SQL) workorder.control Makefile
	cat $(ENGINE_SQL) > $@.tmp && mv $@.tmp $@

define addon_rule
sql/workorder_$(1)--$(EXTVERSION).sql: $$($(1)_MODULES:%=sql/$(1)/modules/%.sql) sql/$(1)/flow.json sql/$(1)/workorder_$(1).control Makefile
	cat $$($(1)_MODULES:%=sql/$(1)/modules/%.sql) | \
	  sed -e '/^@flow@$$$$/{r sql/$(1)/flow.json' -e 'd}' > $$@.tmp && mv $$@.tmp $$@
endef
$(foreach a,$(ADDONS),$(eval $(call addon_rule,$(a))))

# Freezes the install scripts of this version, for good: servers have them, and
# ALTER EXTENSION ... UPDATE starts from them.
.PHONY: release check-release
release: check-release
	@for frozen in $(filter-out $(wildcard $(FROZEN)),$(FROZEN)); do \
	  mkdir -p $${frozen%/*} && cp sql/$${frozen##*/} $$frozen && echo "froze $$frozen"; \
	done

# What is frozen is what the modules still make; the tests ask for it.
check-release: $(DATA_built)
	@for frozen in $(wildcard $(FROZEN)); do \
	  cmp -s sql/$${frozen##*/} $$frozen && continue; \
	  echo "$$frozen is released, and the modules make another one now:" >&2; \
	  diff $$frozen sql/$${frozen##*/} | sed -n '1,10s/^/  /p' >&2; \
	  echo "Servers have version $(EXTVERSION) already. Raise default_version in workorder.control and sql/*/*.control, and write" >&2; \
	  echo "update scripts to it: docs/operations.md, Making a release." >&2; \
	  exit 1; \
	done

# A PGXN distribution, and Debian packages.  Both are made in a copy; the paths are printed.
.PHONY: dist deb
dist deb:
	@scripts/package $@
