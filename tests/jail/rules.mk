# hostile strategies for the jail tests: tests/jail/attacks/NAME.c -> BUILD/tests/jail/attacks/NAME.so, with whatever makes them
# hostile. They see the wire, as an attacker who read the sources would.
ATTACKS := $(patsubst tests/jail/attacks/%.c,$(BUILD)/tests/jail/attacks/%.so,$(wildcard tests/jail/attacks/*.c))
ATTACK_CFLAGS := -std=c17 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer $(filter-out -Wpedantic,$(WARN)) -Wno-infinite-recursion -fPIC -fvisibility=hidden -fno-stack-protector -Isdk -Isandbox
$(BUILD)/tests/jail/attacks/interpose.so: ATTACK_MORE := -fvisibility=default -Wl,-z,interpose
$(BUILD)/tests/jail/attacks/text_relocations.so: ATTACK_MORE := -fno-pic -mcmodel=large -Wl,-z,notext -Wl,--no-warnings
$(BUILD)/tests/jail/attacks/executable_stack.so: ATTACK_MORE := -Wl,-z,execstack
$(BUILD)/tests/jail/attacks/other_library.so: ATTACK_MORE := -Wl,--no-as-needed -lz
$(BUILD)/tests/jail/attacks/%.so: tests/jail/attacks/%.c $(wildcard tests/jail/attacks/*.h) sandbox/wire.h sdk/agent_abi.h sdk/agent.h
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(ATTACK_CFLAGS) $(filter-out -Wl%,$(ATTACK_MORE)) $< -o $@ -shared -nostartfiles -Wl,-z,now -Wl,-z,relro -lm $(filter -Wl% -l%,$(ATTACK_MORE))
# honest ones, built like any strategy
JAIL_AGENTS := $(patsubst tests/jail/agents/%.c,$(BUILD)/tests/jail/agents/%.so,$(wildcard tests/jail/agents/*.c))
$(BUILD)/tests/jail/agents/%.so: tests/jail/agents/%.c $(wildcard tests/jail/agents/*.h) sdk/agent_abi.h sdk/agent.h sdk/agent_digest.h
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(STRATEGY_CFLAGS) $< -o $@ $(STRATEGY_LDFLAGS)
$(patsubst tests/jail/%.c,$(BUILD)/tests/jail/%,$(wildcard tests/jail/*.c)): | $(ATTACKS) $(JAIL_AGENTS) $(BUILD)/bin/bulkhead-slot $(STRATEGIES)

# seeds of the fuzzer of strategy files, in the folder where it keeps what it finds
$(BUILD)/fuzz/found/elf/%.so: $(BUILD)/strategies/%.so
	@mkdir -p $(@D)
	$(Q)strip -s -o $@ $<
$(BUILD)/fuzz/elf: | $(patsubst $(BUILD)/strategies/%,$(BUILD)/fuzz/found/elf/%,$(STRATEGIES))
