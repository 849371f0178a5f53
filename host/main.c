/*
 * main.c - bulkhead: hands the command line to host/cli. Only the commands in there know real time.
 */
#include "cli/cli.h"

int main(int argc, char **argv) { return cli_main(argc, argv); }
