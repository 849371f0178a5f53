/* memory.h - memfds inside the jailer. Both return a descriptor, or -1 with errno. */
#ifndef SANDBOX_JAILER_MEMORY_H
#define SANDBOX_JAILER_MEMORY_H

int memfd_sealable(const char *name);
int memfd_reopen_read_only(int fd);

#endif
