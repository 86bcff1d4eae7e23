# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds everything below build/. Sources are found by wildcard: a new .c file
# in an existing folder needs no change here, a folder without any is skipped.
#
#   B    where objects and results go (build; build/asan for sanitizers)
#   D    what `make deps` fetched
#   SAN  extra compiler and linker flags

B ?= build
D ?= build/deps
SAN ?=

CC = gcc
CLANG ?= clang
PYTHON ?= /usr/bin/env python3

CSTD = -std=c11 -D_GNU_SOURCE
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Werror
OPT = -O2 -g -fstack-protector-strong -fstack-clash-protection \
	$(if $(SAN),,-D_FORTIFY_SOURCE=2)
FLAGS = $(CSTD) $(WARN) $(OPT) -fPIC -pthread -Imodules/lib $(SAN)
DEPGEN = -MMD -MP
# .map: a version script, so that a host sees nothing but what it needs
SOFLAGS = -shared -pthread -Wl,--exclude-libs,ALL -Wl,--as-needed \
	-Wl,-z,relro,-z,now -Wl,--build-id $(SAN)

KAM_FLAGS = $D/kamailio.flags
SRTP = $D/libsrtp2
SRTP_LIB = $(SRTP)/lib/libsrtp2.a
CRYPTO = -lssl -lcrypto

objects = $(patsubst %.c,$B/obj/%.o,$(wildcard $(1)))

LIB_OBJ := $(call objects,modules/lib/*/*.c)
LIB = $B/lib/libtrunkguard.a

# Kamailio modules that have sources
MODULES := $(foreach m,tls_policy srtp_policy mras,\
	$(if $(wildcard modules/$m/*.c),$m))
MODULE_SO := $(MODULES:%=$B/modules/%.so)

TGCTL_OBJ := $(call objects,modules/tgctl/*.c)
TGCTL := $(if $(TGCTL_OBJ),$B/tgctl)

PLUGIN_OBJ := $(call objects,rtp_plugin/*/*.c)
PLUGIN_MAP := $(wildcard rtp_plugin/rtp_plugin.map)
PLUGIN := $(if $(wildcard rtp_plugin/mount/*.c),\
	$B/rtp_plugin/rtpengine_srtp.so)

UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(UNIT_SRC:%.c=$B/%)
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$B/%)
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

##@ Build
all: lib modules plugin tgctl ## everything that is installed

help: ## print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@printf '\n'

deps: ## fetch packages, Kamailio's headers, libsrtp2 (root or sudo)
	tests/support/deps

lib: $(LIB) ## the core: build/lib/libtrunkguard.a
modules: $(MODULE_SO) ## Kamailio's modules: build/modules/*.so
plugin: $(PLUGIN) ## rtpengine's plugin: build/rtp_plugin/rtpengine_srtp.so
tgctl: $(TGCTL) ## the command line tool: build/tgctl

$(KAM_FLAGS) $(SRTP_LIB):
	@echo "$@ is missing: run 'make deps' first" >&2; false

# Changed flags rebuild; so does a source file that went away.
$B/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(CC) $(FLAGS))' | \
		cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(CC) $(FLAGS))' >$@
$B/lib/%.list: FORCE
	@mkdir -p $(@D); echo '$(members)' | cmp -s - $@ || echo '$(members)' >$@

compile = @mkdir -p $(@D); echo "  CC      $<"; $(CC) $(FLAGS) $(DEPGEN)
archive = @echo "  AR      $@"; rm -f $@; ar rcs $@ $(filter %.o,$^)

# XML is read by libxml2, and only there
XML_FLAGS := $(shell pkg-config --cflags-only-I libxml-2.0 2>/dev/null | sed 's/-I/-isystem /g')
XML_LIBS = -lxml2
$B/obj/modules/lib/mras/%.o: private FLAGS += $(XML_FLAGS)
$B/obj/tests/support/sax1.o: private FLAGS += $(XML_FLAGS)
xml_of = $(if $(findstring mras,$(1)),$(XML_LIBS))

$B/obj/modules/lib/%.o: modules/lib/%.c $B/flags
	$(compile) -fvisibility=hidden -c -o $@ $<

$B/lib/libtrunkguard.list: members = $(LIB_OBJ)
$(LIB): $(LIB_OBJ) $B/lib/libtrunkguard.list
	$(archive)

# One Kamailio module. The loader looks five names up; the map exports those.
define module_rules
$(1)_OBJ := $(call objects,modules/$(1)/*.c)
$B/obj/modules/$(1)/%.o: modules/$(1)/%.c $B/flags $(KAM_FLAGS)
	$$(compile) -fasm -Imodules -DMOD_NAME='"$(1)"' @$(KAM_FLAGS) -c -o $$@ $$<
$B/lib/$(1).list: members = $$($(1)_OBJ)
$B/lib/$(1).a: $$($(1)_OBJ) $B/lib/$(1).list
	$$(archive)
$B/modules/$(1).so: $$($(1)_OBJ) $(LIB) modules/kamailio.map $B/lib/$(1).list
	@mkdir -p $$(@D); echo "  LD      $$@"
	@$(CC) $(SOFLAGS) -Wl,--version-script=modules/kamailio.map -o $$@ \
		$$($(1)_OBJ) $(LIB) $(CRYPTO) $(call xml_of,$(1))
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$m)))

$B/obj/modules/tgctl/%.o: modules/tgctl/%.c $B/flags
	$(compile) -c -o $@ $<
$B/lib/tgctl.list: members = $(TGCTL_OBJ)
$B/lib/tgctl.a: $(TGCTL_OBJ) $B/lib/tgctl.list
	$(archive)
$B/tgctl: $(TGCTL_OBJ) $(LIB) $B/lib/tgctl.list
	@echo "  LD      $@"; $(CC) -pthread $(SAN) -Wl,-z,relro,-z,now -o $@ \
		$(TGCTL_OBJ) $(LIB) $(CRYPTO)

$B/obj/rtp_plugin/%.o: rtp_plugin/%.c $B/flags $(SRTP_LIB)
	$(compile) -Irtp_plugin -isystem $(SRTP)/include -c -o $@ $<
$B/lib/rtp_plugin.list: members = $(PLUGIN_OBJ)
$B/lib/rtp_plugin.a: $(PLUGIN_OBJ) $B/lib/rtp_plugin.list
	$(archive)
$B/rtp_plugin/rtpengine_srtp.so: $(PLUGIN_OBJ) $(LIB) $(SRTP_LIB) \
		$(PLUGIN_MAP) $B/lib/rtp_plugin.list
	@mkdir -p $(@D); echo "  LD      $@"
	@$(CC) $(SOFLAGS) $(PLUGIN_MAP:%=-Wl,--version-script=%) -Wl,-z,defs \
		-o $@ $(PLUGIN_OBJ) $(LIB) $(SRTP_LIB) $(CRYPTO) -ldl

##@ Test
# tests/unit/PART links with the core alone if PART is one of its folders;
# else with the archive of that module, or of the plugin. Files there that do
# not end in _test.c are helpers of each test of the part.
unit_host = $(if $(wildcard modules/lib/$(1)),,$(if $(wildcard modules/$(1)),\
	$B/lib/$(1).a,$B/lib/rtp_plugin.a))
unit_srtp = $(if $(filter %/rtp_plugin.a,$(call unit_host,$(1))),$(SRTP_LIB))
# Later versions of cmocka have other names for some assertions
unit_flags = $(if $(call unit_host,$(1)),-Imodules -Irtp_plugin \
	-isystem $(SRTP)/include) -Itests/unit/$(1) -Itests/unit \
	-DTG_SOURCE_DIR='"$(CURDIR)"' -Wno-error=deprecated-declarations \
	$(if $(filter $(1),$(MODULES)),-fasm -DMOD_NAME='"$(1)"' @$(KAM_FLAGS))

define unit_rules
$(1)_HELP := $(call objects,$(filter-out %_test.c,\
	$(wildcard tests/unit/$(1)/*.c)))
$B/obj/tests/unit/$(1)/%.o: tests/unit/$(1)/%.c $B/flags
	$$(compile) $$(call unit_flags,$(1)) -c -o $$@ $$<
$B/tests/unit/$(1)/%_test: $B/obj/tests/unit/$(1)/%_test.o \
		$$($(1)_HELP) $(call unit_host,$(1)) $(LIB) $(call unit_srtp,$(1))
	@mkdir -p $$(@D); echo "  LD      $$@"; $(CC) -pthread $(SAN) -o $$@ \
		$$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) \
		-Wl,--end-group -lcmocka $(CRYPTO) $(call xml_of,$(1)) -ldl -lm
endef
$(foreach p,$(sort $(notdir $(patsubst %/,%,$(dir $(UNIT_SRC))))),\
	$(eval $(call unit_rules,$p)))

# A fuzz target is an ordinary function here; replay.c feeds it the corpus.
# Targets named rtp_*_fuzz.c also link with the plugin.
fuzz_extra = $(if $(filter rtp_%,$(notdir $(1))),\
	$B/lib/rtp_plugin.a $(SRTP_LIB))
$B/obj/tests/fuzz/%.o: tests/fuzz/%.c $B/flags
	$(compile) -Wno-missing-prototypes -Imodules -Irtp_plugin -Itests/unit \
		-isystem $(SRTP)/include -c -o $@ $<
$B/obj/tests/support/%.o: tests/support/%.c $B/flags
	$(compile) -c -o $@ $<
.SECONDEXPANSION:
$B/tests/fuzz/%_fuzz: $B/obj/tests/fuzz/%_fuzz.o \
		$B/obj/tests/support/fuzz_replay.o $(LIB) $$(call fuzz_extra,$$*)
	@mkdir -p $(@D); echo "  LD      $@"; $(CC) -pthread $(SAN) -o $@ \
		$(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(CRYPTO) $(call xml_of,$*) -ldl -lm

test-bins: $(UNIT_BIN) $(FUZZ_BIN)

# Helpers of lab, bench and host tests: load generators, libraries that are
# preloaded into test peers, a module to compare with.
TOOLS := $(patsubst tests/bench/%.c,$B/tools/%,$(wildcard tests/bench/*.c)) \
	$(patsubst tests/support/%.c,$B/tools/%.so,\
	$(filter-out tests/support/fuzz_replay.c,$(wildcard tests/support/*.c)))
$B/obj/tests/bench/%.o: tests/bench/%.c $B/flags $(SRTP_LIB)
	$(compile) -isystem $(SRTP)/include -c -o $@ $<
$B/obj/tests/support/net_out.o: private FLAGS += \
	-fasm -DMOD_NAME='"net_out"' @$(KAM_FLAGS)
$B/obj/tests/support/net_out.o: $(KAM_FLAGS)
$B/tools/%.so: $B/obj/tests/support/%.o
	@mkdir -p $(@D); echo "  LD      $@"
	@$(CC) -shared -pthread $(SAN) -o $@ $< -ldl
$B/tools/%: $B/obj/tests/bench/%.o $(LIB) $(SRTP_LIB)
	@mkdir -p $(@D); echo "  LD      $@"
	@$(CC) -pthread $(SAN) -o $@ $^ $(CRYPTO) -lm

tools: $(TOOLS) ## load generators and preloaded helpers: build/tools/*

RUN = $(PYTHON) tests/run --build $B

test: ## everything: fetch, build, run all tests (T='words' picks some)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all test-bins tools
	@$(RUN) $(T)

test-unit: lib tgctl test-bins ## unit, fuzz corpus and golden tests only
	@$(RUN) --kind unit --kind fuzz --kind golden $(T)

test-host: all tools ## tests against real daemons only
	@$(RUN) --kind host $(T)

# A script that another part of the tree brings.
script = @if [ -x $(1) ]; then exec $(1) $(2); else \
	echo "$(1) does not exist yet" >&2; exit 1; fi

# What a browser's telephone is made of, from the npm registry
BROWSER = $B/interop/browser
$(BROWSER)/bundle.js: $(wildcard tests/interop/browser/*)
	@mkdir -p $(@D); cp tests/interop/browser/* $(@D)
	cd $(@D) && npm install --no-audit --no-fund --no-package-lock
	cd $(@D) && npx esbuild page.mjs --bundle --platform=browser \
		--log-level=warning --outfile=bundle.js
deps-interop: ## fetch the clients of test-interop
	@tests/support/deps interop
	@$(MAKE) --no-print-directory $(BROWSER)/bundle.js || \
		echo "the browser's telephone could not be made" >&2
test-interop: ## clients that are fetched for it (T='aiortc browser linphone sipe')
	@$(MAKE) --no-print-directory deps-interop
	@$(MAKE) --no-print-directory all tools
	@$(RUN) --kind interop $(T)

test-teeth: ## the refusals must fail without our modules
	$(call script,tests/teeth)
test-matrix: ## the other versions of the hosts
	@$(MAKE) --no-print-directory deps
	$(call script,tests/matrix)

MINUTES ?= 10
##@ Lab
lab: ## bring the lab up, play the calls, print the table, take it down
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all tools
	$(call script,tests/lab/lab,run)
lab-up: all tools ## bring the lab up and leave it running
	$(call script,tests/lab/lab,up)
lab-down: ## take it down
	$(call script,tests/lab/lab,down)
deps-docker: ## fetch docker for lab-docker
	@tests/support/deps containers
lab-docker: ## the same as containers
	$(call script,docker/lab,run)
bench: all tools ## measure against the budgets
	$(call script,tests/bench/run)
soak: all tools ## MINUTES (10) of handshakes, reloads, traffic; SOAK=options
	$(call script,tests/bench/soak,--minutes $(MINUTES) $(SOAK))

##@ Care
lint: ## format, clang-tidy, cppcheck, arrows, licences (P=paths)
	tests/support/lint $(P)
format: ## rewrite the sources by .clang-format (P=paths)
	tests/support/lint --format $(P)

ASAN = $(MAKE) --no-print-directory B=build/asan \
	SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
asan: ## unit, fuzz corpus and golden tests under ASan and UBSan; then asan-host
	@$(ASAN) test-unit
	@$(MAKE) --no-print-directory asan-host

asan-host: all tools ## the media plugin under both in a real rtpengine (T=words)
	@$(ASAN) plugin build/asan/tools/freed.so
	@tests/sanitized build/asan/rtp_plugin/rtpengine_srtp.so \
		build/asan/tools/freed.so $(T)

# Address randomisation off: older runtimes of it do not start otherwise
TSAN_TESTS = socket exchange race
tsan: ## the media plugin's core under threads, with ThreadSanitizer
	@$(MAKE) --no-print-directory B=build/tsan \
		SAN='-fsanitize=thread -fno-omit-frame-pointer' \
		$(TSAN_TESTS:%=build/tsan/tests/unit/plugin/%_test)
	@set -e; for t in $(TSAN_TESTS:%=build/tsan/tests/unit/plugin/%_test); do \
		TSAN_OPTIONS=halt_on_error=1 setarch -R $$t; done

# The fuzzer's own build: clang, coverage, everything in one process.
FZ_FLAGS = -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FZ_LIB_SRC := $(wildcard modules/lib/*/*.c)
$B/libfuzzer/%_fuzz: tests/fuzz/%_fuzz.c $(FZ_LIB_SRC) \
		$(wildcard modules/lib/*/*.h rtp_plugin/*/*.c rtp_plugin/*/*.h \
		tests/fuzz/*.h)
	@mkdir -p $(@D); echo "  FUZZ    $@"; $(CLANG) $(CSTD) -g -O1 -pthread \
		-Imodules/lib -Imodules -Irtp_plugin -Itests/unit -isystem $(SRTP)/include \
		$(FZ_FLAGS) -o $@ $< $(FZ_LIB_SRC) \
		$(if $(filter rtp_%,$*),$(filter-out rtp_plugin/mount/%,\
		$(wildcard rtp_plugin/*/*.c)) $(SRTP_LIB)) $(XML_FLAGS) $(CRYPTO) \
		$(XML_LIBS) -ldl
fuzz: $(FUZZ_SRC:tests/fuzz/%.c=$B/libfuzzer/%) ## FUZZ_SECONDS per target with libFuzzer (T=name)
	@set -e; for f in $^; do n=$$(basename $$f _fuzz); \
		case " $(T) " in "  "|*" $$n "*) ;; *) continue ;; esac; \
		mkdir -p $B/corpus/$$n; set -- $B/corpus/$$n; \
		[ ! -d tests/fuzz/corpus/$$n ] || set -- "$$@" tests/fuzz/corpus/$$n; \
		echo "== $$n for $(FUZZ_SECONDS) s"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix=$B/corpus/ "$$@"; done

##@ Install
DESTDIR ?=
PREFIX ?= /usr
MULTIARCH := $(shell gcc -print-multiarch 2>/dev/null)
LIBDIR ?= $(PREFIX)/lib/$(MULTIARCH)
SHARE ?= $(PREFIX)/share

# call installed,DO: DO MODE FOLDER FILES for each thing that is installed
define installed
	$(1) 644 $(LIBDIR)/kamailio/modules $(MODULE_SO); \
	$(1) 644 $(LIBDIR)/rtpengine-trunkguard $(PLUGIN); \
	$(1) 755 $(PREFIX)/bin $(TGCTL) rtp_plugin/rtpengine-trunkguard; \
	$(1) 644 $(SHARE)/man/man1 doc/man/*.1; \
	$(1) 644 $(SHARE)/doc/trunkguard README.md CHANGELOG.md LICENSE \
		doc/*.md; \
	$(1) 644 $(SHARE)/doc/trunkguard/modules modules/*/doc/*_admin.xml; \
	$(1) 644 $(SHARE)/doc/trunkguard/examples cfg/*
endef

install: all ## into DESTDIR, Debian's paths
	@set -e; put() { mode=$$1; to=$(DESTDIR)$$2; shift 2; \
		for f in "$$@"; do [ -f "$$f" ] || continue; \
			echo "  INSTALL $$to/$${f##*/}"; \
			install -D -m $$mode "$$f" "$$to/$${f##*/}"; done; }; \
	$(call installed,put)

uninstall: ## take away what install put there, and nothing else
	@set -e; drop() { from=$(DESTDIR)$$2; shift 2; \
		for f in "$$@"; do rm -f "$$from/$${f##*/}"; done; \
		rmdir --ignore-fail-on-non-empty "$$from" 2>/dev/null || :; }; \
	$(call installed,drop); \
	rmdir --ignore-fail-on-non-empty \
		$(DESTDIR)$(SHARE)/doc/trunkguard 2>/dev/null || :

deb: ## Debian packages for the release that this machine runs: build/deb
	docker/deb

clean: ## remove what was built; keep what deps fetched
	rm -rf $(filter-out build/deps,$(wildcard build/*))

FORCE:
.PHONY: all help deps deps-interop deps-docker lib modules plugin tgctl test test-bins test-unit \
	test-host test-interop test-teeth test-matrix lab lab-up lab-down lab-docker \
	bench soak lint format asan asan-host tsan fuzz install uninstall deb clean tools FORCE

-include $(LIB_OBJ:.o=.d) $(TGCTL_OBJ:.o=.d) $(PLUGIN_OBJ:.o=.d) \
	$(foreach m,$(MODULES),$($m_OBJ:.o=.d)) \
	$(patsubst %.c,$B/obj/%.d,$(wildcard tests/unit/*/*.c tests/fuzz/*.c \
	tests/support/*.c tests/bench/*.c))
