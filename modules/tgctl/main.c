/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of subcommands.
 */
#include <string.h>

#include "tgctl.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *text;
} commands[] = {
		{"check", tg_ctl_check, "FILE",
				"read a policy; print every error with its line"},
		{"matrix", tg_ctl_matrix, "FILE",
				"who may do what: parties, directions, transports, media"},
		{"explain", tg_ctl_explain, "FILE --from ADDR --transport T ...",
				"judge a hypothetical connection and call, rule by rule"},
		{"cert", tg_ctl_cert,
				"verify --trust FILE --identity NAME ... LEAF.pem",
				"judge a certificate as a handshake would"},
		{"fips", tg_ctl_fips, "", "is a FIPS provider of OpenSSL active here?"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int tg_ctl_usage(const char *text)
{
	fprintf(stderr, "usage: tgctl %s\n", text);
	return TG_CTL_USAGE;
}

static void print_help(FILE *out)
{
	fputs("tgctl: what a TrunkGuard policy says, without a daemon\n\n", out);
	for(size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  tgctl %s%s%s\n      %s\n", commands[i].name,
				*commands[i].arguments ? " " : "", commands[i].arguments,
				commands[i].text);
	fputs("  tgctl help\n\n"
		  "Exit status: 0 allowed or without errors, 1 refused or with errors, "
		  "2 usage.\n",
			out);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int status;

	for(size_t i = 0; i < N_COMMANDS; i++) {
		if(strcmp(name, commands[i].name) != 0)
			continue;
		status = commands[i].run(argc - 1, argv + 1);
		/* a full disk must not look like a verdict */
		if(fflush(stdout) != 0 && status == TG_CTL_OK)
			status = TG_CTL_USAGE;
		return status;
	}
	if(strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
		print_help(stdout);
		return TG_CTL_OK;
	}
	if(*name)
		fprintf(stderr, "tgctl: there is no command \"%s\"\n\n", name);
	print_help(stderr);
	return TG_CTL_USAGE;
}
