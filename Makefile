# Bulkhead. `make help` lists the targets.
#   DEV=1            no optimisation, debug information
#   SAN=address|undefined|thread   sanitizers in the host and the tests (never in slots or strategies)
#   CC=gcc|clang     T=name  run only tests whose name contains it      V=1  show commands
#   BUILD=DIR        where to build: one folder per compiler and set of flags
VERSION := 0.1.0
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-5s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
OPT := $(if $(DEV),-O0,-O2) -g
COMMON := -std=c17 -D_GNU_SOURCE -fno-strict-aliasing -ffp-contract=off $(WARN)
comma := ,
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))
INCLUDE := -Ihost -Isdk -Isandbox -Iplugins -I.
PACKAGES := libseccomp yaml-0.1 sqlite3 libcrypto zlib libcjson
HOST_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpthread -ldl -lm
HOST_CFLAGS := $(COMMON) $(OPT) $(SANFLAGS) -DBULKHEAD_VERSION='"$(VERSION)"' -D_FORTIFY_SOURCE=$(if $(DEV)$(SAN),0,2) $(INCLUDE) $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
# The slot and strategies are never sanitized: sanitizers cannot run in the jail. Both bind everything before the filters.
SLOT_CFLAGS := $(COMMON) $(OPT) -D_FORTIFY_SOURCE=$(if $(DEV),0,2) -fPIE -Ihost -Isdk -Isandbox -I.
SDK_CFLAGS := -std=c17 -O2 -ffp-contract=off -fPIC -fvisibility=hidden
STRATEGY_CFLAGS := $(SDK_CFLAGS) -g $(WARN) -Isdk
STRATEGY_LDFLAGS := -shared -nostartfiles -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,--build-id=none -lm

# host library = every stage + the jailer; programs and tests link it
HOST_SRC := $(filter-out host/main.c host/worker.c,$(wildcard host/*.c host/*/*.c sandbox/jailer/*.c))
JAILED_SRC := $(wildcard sandbox/jailed/*.c)
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/obj/%.o)
JAILED_OBJ := $(JAILED_SRC:%.c=$(BUILD)/slot/%.o)
JAILED_HOST_OBJ := $(JAILED_SRC:%.c=$(BUILD)/obj/%.o)
HOST_LIB := $(BUILD)/lib/libbulkhead.a
# all of it goes into what loads plug-ins: they take what they need from the program
WHOLE_HOST := -Wl,--whole-archive $(HOST_LIB) -Wl,--no-whole-archive
STRATEGIES := $(patsubst strategies/%.c,$(BUILD)/strategies/%.so,$(wildcard strategies/*.c))
# a plug-in is plugins/NAME.c or every .c of plugins/NAME/ but main_*.c, which belong to a program beside it
PLUGINS := $(patsubst plugins/%.c,$(BUILD)/plugins/%.so,$(wildcard plugins/*.c)) $(patsubst plugins/%/,$(BUILD)/plugins/%.so,$(wildcard plugins/*/))
# the research worker runs the whole engine in the jail, where sanitizers cannot: SAN= leaves it out
PROGRAMS := $(BUILD)/bin/bulkhead $(BUILD)/bin/bulkhead-slot $(BUILD)/bin/bulkhead-exchange $(if $(SAN),,$(BUILD)/bin/bulkhead-worker)
MAIN_SRC := $(wildcard plugins/*/main_*.c)
EXCHANGE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out plugins/sim/sim.c plugins/sim/sim_local.c plugins/sim/sim_remote.c,$(wildcard plugins/sim/*.c)))
VENUE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(MAIN_SRC),$(wildcard plugins/*/*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*.c tests/abi/*.c tests/jail/*.c tests/venue/*.c tests/sim/*.c))

all: programs strategies plugins ## build everything
programs: $(PROGRAMS)
strategies: $(STRATEGIES)
plugins: $(PLUGINS)
unit-tests: $(UNIT_TESTS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/slot/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(SLOT_CFLAGS) -MMD -MP -c $< -o $@

$(HOST_LIB): $(HOST_OBJ)
	@mkdir -p $(@D)
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/bin/bulkhead: $(BUILD)/obj/host/main.o $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -rdynamic -o $@ $< $(WHOLE_HOST) $(HOST_LIBS)

# libm stays linked although the slot itself hardly needs it, so that a strategy's DT_NEEDED libm is satisfied without an open
$(BUILD)/bin/bulkhead-slot: $(BUILD)/slot/sandbox/slot.o $(JAILED_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) -pie -Wl,-z,now -Wl,-z,relro -o $@ $^ -Wl,-Bstatic -lseccomp -Wl,-Bdynamic -Wl,--no-as-needed -lm

# the research worker: the engine inside the jail, calling the strategy directly
$(BUILD)/bin/bulkhead-worker: $(BUILD)/obj/host/worker.o $(JAILED_HOST_OBJ) $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) -Wl,-z,now -Wl,-z,relro -o $@ $^ $(HOST_LIBS) -Wl,--no-as-needed -lm

$(BUILD)/strategies/%.so: strategies/%.c sdk/agent_abi.h sdk/agent.h sdk/agent_digest.h
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(STRATEGY_CFLAGS) $< -o $@ $(STRATEGY_LDFLAGS)

.SECONDEXPANSION:
$(BUILD)/plugins/%.so: $$(wildcard plugins/$$*.c plugins/$$*/*.c) $$(wildcard plugins/*.h plugins/$$*/*.h) $$(wildcard host/*/*.h)
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(HOST_CFLAGS) -fPIC -fvisibility=hidden -shared -o $@ $(filter-out $(MAIN_SRC),$(filter %.c,$^))

# the exchange as a process: the simulated venue without its vtable
$(BUILD)/bin/bulkhead-exchange: $(EXCHANGE_OBJ) $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -o $@ $^ $(HOST_LIBS)

# a unit test links the whole host library, for the plug-ins it may load, and the jailed part (for the filters)
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(JAILED_HOST_OBJ) $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -rdynamic -o $@ $(filter-out %.a,$^) $(WHOLE_HOST) $(HOST_LIBS) -lcmocka

# a venue test links the inside of the plug-ins; it may also open them, and start the exchange
$(BUILD)/lib/libvenues.a: $(VENUE_OBJ)
	@mkdir -p $(@D)
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/tests/venue/%: $(BUILD)/obj/tests/venue/%.o $(BUILD)/lib/libvenues.a $(JAILED_HOST_OBJ) $(HOST_LIB) | $(PLUGINS) $(BUILD)/bin/bulkhead-exchange
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -rdynamic -o $@ $(filter-out $(HOST_LIB),$^) $(WHOLE_HOST) $(HOST_LIBS) -lcmocka

# a benchmark links like a unit test
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(JAILED_HOST_OBJ) $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -rdynamic -o $@ $(filter-out %.a,$^) $(WHOLE_HOST) $(HOST_LIBS)

# a fuzzer is tests/fuzz/NAME.c; the host under it is built by clang with sanitizers and coverage, in a place of its own
FUZZ_CFLAGS := $(filter-out -fsanitize=% -fno-sanitize%,$(HOST_CFLAGS)) -O1 -U_FORTIFY_SOURCE -fno-omit-frame-pointer
FUZZ_OBJ := $(HOST_SRC:%.c=$(BUILD)/fuzz/obj/%.o) $(JAILED_SRC:%.c=$(BUILD)/fuzz/obj/%.o)
$(BUILD)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -MMD -MP -c $< -o $@
$(BUILD)/fuzz/libhost.a: $(FUZZ_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/libhost.a
	$(call say,LINK)
	$(Q)clang -fsanitize=fuzzer,address,undefined -rdynamic -o $@ $^ $(HOST_LIBS) -lm

fuzzers: $(FUZZERS)
benches: $(BENCHES)

# deps runs in a make of its own, before the one that asks pkg-config where the libraries are
demo: ## build, backtest and run a paper session, and say what happened
	@scripts/deps && $(MAKE) -s -j2 all && BUILD=$(BUILD) scripts/demo
test: ## build and run every test (T=name: only some)
	@scripts/deps && $(MAKE) -s -j2 all unit-tests && BUILD=$(BUILD) tests/run $(if $(T),-- "$(T)")
bench: ## every figure beside its goal and its baseline of the same run (T=name: only some)
	@scripts/deps && $(MAKE) -s -j2 all benches && BUILD=$(BUILD) tests/bench/run $(T)
fuzz: ## every fuzzer for FUZZ_SECONDS (60) each
	@scripts/deps && $(MAKE) -s -j2 fuzzers && BUILD=$(BUILD) FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) tests/run --only fuzz
soak: ## the long runs, SOAK_SECONDS (3600) in all, resumable; SEEDS=N
	@scripts/deps && $(MAKE) -s -j2 all unit-tests fuzzers && BUILD=$(BUILD) SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) SEEDS=$(or $(SEEDS),1) tests/soak
tidy: ## style, layers, scripts
	@scripts/tidy
abi-check: ## the contract's digest belongs to the contract
	@scripts/abi-digest --check

# PREFIX=/usr/local DESTDIR= ; the programs stay together: the host looks for the slot beside itself
LIBDIR = $(PREFIX)/lib/bulkhead
install: all ## programs, strategies, plug-ins, policies, SDK (PREFIX=, DESTDIR=)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin include/bulkhead lib/pkgconfig share/bulkhead) $(DESTDIR)$(LIBDIR)/strategies $(DESTDIR)$(LIBDIR)/plugins
	install $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(STRATEGIES) $(DESTDIR)$(LIBDIR)/strategies
	install -m 644 $(PLUGINS) $(DESTDIR)$(LIBDIR)/plugins
	install -m 644 $(wildcard sdk/*.h) $(DESTDIR)$(PREFIX)/include/bulkhead
	cp -r policy $(DESTDIR)$(PREFIX)/share/bulkhead
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@CFLAGS@|$(SDK_CFLAGS)|' -e 's|@LDFLAGS@|$(STRATEGY_LDFLAGS)|' \
		sdk/bulkhead-sdk.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/bulkhead-sdk.pc

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort | expand -t 16

clean: ## remove what was built
	$(Q)rm -rf $(BUILD)

-include $(wildcard tests/*/rules.mk)
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all programs strategies plugins unit-tests fuzzers benches demo test bench fuzz soak tidy abi-check install help clean
.SECONDARY:
.DELETE_ON_ERROR:
