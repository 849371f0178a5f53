/* services.h - log, plot and note, as given to init. They write into the reply of the one runner of the process. */
#ifndef SANDBOX_JAILED_SERVICES_H
#define SANDBOX_JAILED_SERVICES_H

#include "runner.h"

extern const struct agent_services services;

void services_bind(struct runner *runner);

#endif
