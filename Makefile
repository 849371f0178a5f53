# Bulkhead. `make help` lists the targets.
#   DEV=1            no optimisation, debug information
#   SAN=address|undefined|thread   sanitizers in the host and the tests (never in slots or strategies)
#   CC=gcc|clang     T=name  run only tests whose name contains it      V=1  show commands
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-5s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
OPT := $(if $(DEV),-O0,-O2) -g
COMMON := -std=c17 -D_GNU_SOURCE -fno-strict-aliasing -ffp-contract=off $(WARN)
comma := ,
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))
INCLUDE := -Ihost -Isdk -Isandbox -Iplugins -I.
PACKAGES := libseccomp yaml-0.1 sqlite3 libcrypto zlib libcjson
HOST_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpthread -ldl
HOST_CFLAGS := $(COMMON) $(OPT) $(SANFLAGS) -D_FORTIFY_SOURCE=$(if $(DEV)$(SAN),0,2) $(INCLUDE) $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
# The slot and strategies are never sanitized: sanitizers cannot run in the jail. Both bind everything before the filters.
SLOT_CFLAGS := $(COMMON) $(OPT) -D_FORTIFY_SOURCE=$(if $(DEV),0,2) -fPIE -Ihost -Isdk -Isandbox -I.
STRATEGY_CFLAGS := -std=c17 -O2 -g $(WARN) -ffp-contract=off -fPIC -fvisibility=hidden -Isdk
STRATEGY_LDFLAGS := -shared -nostartfiles -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,--build-id=none -lm

# host library = every stage + the jailer; programs and tests link it
HOST_SRC := $(wildcard host/*/*.c) host/flow.c $(wildcard sandbox/jailer/*.c)
JAILED_SRC := $(wildcard sandbox/jailed/*.c)
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/obj/%.o)
JAILED_OBJ := $(JAILED_SRC:%.c=$(BUILD)/slot/%.o)
JAILED_HOST_OBJ := $(JAILED_SRC:%.c=$(BUILD)/obj/%.o)
HOST_LIB := $(BUILD)/lib/libbulkhead.a
STRATEGIES := $(patsubst strategies/%.c,$(BUILD)/strategies/%.so,$(wildcard strategies/*.c))
# a plug-in is plugins/NAME.c or every .c of plugins/NAME/
PLUGINS := $(patsubst plugins/%.c,$(BUILD)/plugins/%.so,$(wildcard plugins/*.c)) $(patsubst plugins/%/,$(BUILD)/plugins/%.so,$(wildcard plugins/*/))
PROGRAMS := $(BUILD)/bin/bulkhead $(BUILD)/bin/bulkhead-slot $(BUILD)/bin/bulkhead-worker
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
	$(Q)$(CC) $(OPT) $(SANFLAGS) -rdynamic -o $@ $< -Wl,--whole-archive $(HOST_LIB) -Wl,--no-whole-archive $(HOST_LIBS)

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
$(BUILD)/plugins/%.so: $$(wildcard plugins/%.c plugins/%/*.c) $$(wildcard plugins/*.h plugins/%/*.h)
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(HOST_CFLAGS) -fPIC -shared -o $@ $(filter %.c,$^)

# a unit test links the host library and the jailed part (for the filters), nothing else
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(JAILED_HOST_OBJ) $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -rdynamic -o $@ $^ $(HOST_LIBS) -lcmocka -lm

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort | expand -t 16

clean: ## remove what was built
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all programs strategies plugins unit-tests help clean
.DELETE_ON_ERROR:
