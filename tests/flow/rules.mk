# strategies that only the flow tests use: tests/flow/agents/NAME.c -> BUILD/tests/flow/agents/NAME.so
FLOW_AGENTS := $(patsubst tests/flow/agents/%.c,$(BUILD)/tests/flow/agents/%.so,$(wildcard tests/flow/agents/*.c))
flow-agents: $(FLOW_AGENTS)
$(BUILD)/tests/flow/agents/%.so: tests/flow/agents/%.c sdk/agent_abi.h sdk/agent.h sdk/agent_digest.h
	@mkdir -p $(@D)
	$(call say,SO)
	$(Q)$(CC) $(STRATEGY_CFLAGS) $< -o $@ $(STRATEGY_LDFLAGS)
.PHONY: flow-agents
