/*
 * cmd_internal.h -- between the files that all programs share.
 */
#ifndef CMD_INTERNAL_H
#define CMD_INTERNAL_H

#include "cmd.h"

const char    *cmd_program_name(void);      /* "vlp-model", without the verb */
void           cmd_say_where_to_look(void); /* "Try 'vlp-model tokenize --help'." */
void           cmd_messages_start(const char *program_name);
void           cmd_signals_start(void);
_Noreturn void cmd_version(void);
/* How progress and messages share the terminal: call with the lock held. */
void cmd_messages_lock(void);
void cmd_messages_unlock(void);
void cmd_progress_erase(void); /* with the lock held */
void cmd_progress_print_status(void);

/* help.c */
void cmd_print_help(FILE *f, const struct cmd_program *p);
void cmd_print_completion(FILE *f, const struct cmd_program *p);
bool cmd_takes_argument(enum cmd_kind kind);

#endif
