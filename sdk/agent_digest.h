/* Made by scripts/abi-digest from agent_abi.h: which contract an agent was compiled against. Do not edit. */
#ifndef AGENT_DIGEST_H
#define AGENT_DIGEST_H
#define AGENT_ABI_DIGEST 0x1c9c34f3727d5dc1ull
#endif
