# runit-ts. `make`: build/bin; `make demo`, `make test`, `make check`, `make bench`, `make install`.
#
# Everything is made from a fresh checkout: the npm packages, and Debian's musl-tools when it is missing and can be
# installed. Without musl the result is linked dynamically with the C library at hand (also: make LIBC=gnu BUILD=DIR).

SHELL := /bin/sh
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
# Where sv looks for services: /etc/service/ (Debian), /service/ (upstream), /var/service/ (Void).
SERVICE_DIRECTORY ?= /etc/service/
# The flags of runit-init: /run/runit.stopit and /run/runit.reboot (Debian).
STOP_FLAG ?= /etc/runit/stopit
REBOOT_FLAG ?= /etc/runit/reboot
PROGRAMS := chpst envdir envuidgid pgrphack runit runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat setlock setuidgid softlimit \
  sv sv-add sv-del sv-disable sv-enable sv-remove sv-user svlogd svwaitdown svwaitup utmpset

# Under these names there are programs of daemontools, one of which (setlock) means the opposite: installed only if asked for.
DAEMONTOOLS_NAMES := envdir envuidgid pgrphack setlock setuidgid softlimit
INSTALLED := $(filter-out $(DAEMONTOOLS_NAMES),$(PROGRAMS))

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export SCRIPTC_CACHE_DIR ?= $(CURDIR)/$(BUILD)/cache

ifndef LIBC
LIBC := $(shell scripts/ensure-musl)
endif
ifeq ($(LIBC),musl)
CC_FOR := musl-gcc
OBJECTS := $(BUILD)/posix.o $(BUILD)/heap.o
export SCRIPTC_TARGET := x86_64-linux-musl
else
CC_FOR := gcc
OBJECTS := $(BUILD)/posix.o
unexport SCRIPTC_TARGET
export LINK_CC := gcc
export LINK_FLAGS :=
endif
export SCRIPTC_LINKER := $(CURDIR)/scripts/link
CFLAGS := -std=c17 -Os -fstack-protector-strong -fstack-clash-protection -Wall -Wextra -Werror -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
  '-DSERVICE_DIRECTORY="$(SERVICE_DIRECTORY)"' '-DSTOP_FLAG="$(STOP_FLAG)"' '-DREBOOT_FLAG="$(REBOOT_FLAG)"'

SOURCES := $(shell find src -name '*.ts')

.PHONY: all programs installed demo test check bench dist site torture client install install-files install-daemontools-names uninstall clean
all: $(PROGRAMS:%=$(BUILD)/bin/%) $(BUILD)/bin/runit-ts

node_modules/.installed: package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(BUILD)/posix.h $(BUILD)/posix.json &: src/system/native.ts scripts/bindings.mjs node_modules/.installed
	@mkdir -p $(BUILD)
	node scripts/bindings.mjs $< $(BUILD)/posix.h $(BUILD)/posix.json $(OBJECTS)

$(BUILD)/posix.o: src/system/posix.c $(BUILD)/posix.h
	$(CC_FOR) $(CFLAGS) -I$(BUILD) -c $< -o $@

$(BUILD)/heap.o: src/system/heap.c
	$(CC_FOR) $(CFLAGS) -fno-builtin -c $< -o $@

$(BUILD)/runit-ts: $(SOURCES) $(OBJECTS) $(BUILD)/posix.json scripts/link scripts/layout.ld scripts/copylint.mjs tsconfig.json
	scriptc build src/bin/runit-ts.ts --ffi $(BUILD)/posix.json --emit=ir -o $(BUILD)/runit-ts.ir.json >$(BUILD)/ir.log 2>&1 \
	  || { cat $(BUILD)/ir.log; exit 1; }
	node scripts/copylint.mjs $(BUILD)/runit-ts.ir.json
	scriptc build src/bin/runit-ts.ts --ffi $(BUILD)/posix.json --strip --no-keep-c -o $@ >$(BUILD)/link.log 2>&1 \
	  || { cat $(BUILD)/link.log; exit 1; }

# What of the compiler's runtime belongs to the binary, for those who compile it by way of C.
$(BUILD)/runtime-sources: $(SOURCES) $(BUILD)/posix.json
	scriptc build src/bin/runit-ts.ts --ffi $(BUILD)/posix.json --optimization dev --emit=obj -o $(BUILD)/runtime.o \
	  --print native-link-info >$@.json
	node -p 'JSON.parse(fs.readFileSync("$@.json")).runtime_pack.source_sets.find((set) => set.name === "runtime").sources.join("\n")' >$@.new
	rm $(BUILD)/runtime.o $@.json
	mv $@.new $@

$(PROGRAMS:%=$(BUILD)/bin/%) $(BUILD)/bin/runit-ts: $(BUILD)/runit-ts
	@mkdir -p $(BUILD)/bin
	@ln -sf ../runit-ts $@

# Their names, for scripts.
programs:
	@echo $(PROGRAMS)

# The documents as pages: build/site.
site: node_modules/.installed
	node scripts/site.mjs $(BUILD)/site

# Faults, kills, losses, fuzzing, mutants, simulated days; TORTURE=long for hours. docs/reliability.md is a report of it.
torture: all
	scripts/torture

installed:
	@echo $(INSTALLED)

$(BUILD)/arm64/runit-ts: $(SOURCES) src/system/posix.c src/system/heap.c $(BUILD)/posix.json scripts/build-arm64 scripts/layout.ld
	scripts/build-arm64

# The client for TypeScript: build/client, ready for `npm pack` and `npm publish`.
client: node_modules/.installed
	client/build $(BUILD)/client

dist: all $(BUILD)/arm64/runit-ts
	scripts/dist

demo: all
	@scripts/demo

check: node_modules/.installed
	npm run --silent check

test: all
	@scripts/test

bench: all
	@scripts/bench

install: all install-files

# BUILD may be that of another machine: nothing is built here. What docs and examples refer to lies as in the checkout.
MAN = $(DESTDIR)$(PREFIX)/share/man/man8
DOC = $(DESTDIR)$(PREFIX)/share/doc/runit-ts
install-files:
	install -D -m 755 $(BUILD)/runit-ts $(DESTDIR)$(PREFIX)/bin/runit-ts
	for program in $(INSTALLED); do ln -sf runit-ts $(DESTDIR)$(PREFIX)/bin/$$program; done
	install -D -m 644 -t $(MAN) $(filter-out $(DAEMONTOOLS_NAMES:%=man/%.8),$(wildcard man/*.8))
	ln -sf sv-add.8 $(MAN)/sv-enable.8
	for page in sv-del sv-disable; do ln -sf sv-remove.8 $(MAN)/$$page.8; done
	install -D -m 644 completions/runit-ts.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/runit-ts
	install -D -m 644 completions/_runit-ts $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_runit-ts
	install -D -m 644 completions/runit-ts.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/runit-ts.fish
	for program in $(INSTALLED); do \
	  ln -sf runit-ts $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$program; \
	  ln -sf runit-ts.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$program.fish; \
	done
	install -D -m 644 -t $(DOC) README.md LICENSE CHANGELOG.md
	install -D -m 644 -t $(DOC)/docs docs/differences.md
	scripts/licenses $(DOC)/licenses
	rm -rf $(DOC)/examples $(DOC)/etc $(DOC)/docs/guides $(DOC)/docs/programs
	cp -R examples etc $(DOC)/
	cp -R docs/guides docs/programs $(DOC)/docs/
	node scripts/package-links.mjs $(DOC)

# envdir and the like beside the others.
install-daemontools-names: install
	for program in $(DAEMONTOOLS_NAMES); do ln -sf runit-ts $(DESTDIR)$(PREFIX)/bin/$$program; done
	install -D -m 644 -t $(MAN) $(DAEMONTOOLS_NAMES:%=man/%.8)

uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/bin/%) $(DESTDIR)$(PREFIX)/bin/runit-ts
	rm -f $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/share/man/man8/%.8) $(DESTDIR)$(PREFIX)/share/man/man8/runit-ts.8
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_runit-ts
	cd $(DESTDIR)$(PREFIX)/share/bash-completion/completions && rm -f runit-ts $(PROGRAMS)
	cd $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d && rm -f runit-ts.fish $(PROGRAMS:%=%.fish)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/runit-ts

clean:
	rm -rf $(BUILD)
