/*
 * message.c -- sentences on stderr, one line each, never mixed with a progress line or each other.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cmd_internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char     *program = "vlp";
static bool            colour;

void cmd_messages_lock(void)
{
    pthread_mutex_lock(&lock);
}

void cmd_messages_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

static void no_memory(size_t wanted)
{
    vlp_outputs_remove();
    fprintf(stderr, "%s: out of memory (%zu bytes wanted)\n", program, wanted);
    _exit(CMD_FAILED);
}

void cmd_messages_start(const char *program_name)
{
    program = program_name;
    vlp_no_memory = no_memory;
    json_set_alloc_funcs(vlp_malloc, free); /* else what it cannot hold is a fault of the file's */
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    colour = isatty(STDERR_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* Control characters would let a file's name play with the terminal. */
static void one_line(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = '?';
}

/* A byte order mark, as of a list of names that some editor wrote, would be seen by nobody. */
static void show_marks(char *out, size_t size, const char *text)
{
    static const char shown[] = "<byte order mark>";
    size_t            n = 0, bom, left = strlen(text);
    for (; left && n + sizeof shown < size; text += bom ? bom : 1, left -= bom ? bom : 1) {
        bom = vlp_bom_length(text, left);
        if (!bom) out[n++] = *text;
        if (bom) n += (size_t)snprintf(out + n, size - n, "%s", shown);
    }
    out[n] = '\0';
}

static void say(const char *paint, const char *fmt, va_list ap)
{
    char written[2048], text[sizeof written + 64];
    vsnprintf(written, sizeof written, fmt, ap);
    one_line(written);
    show_marks(text, sizeof text, written);
    cmd_messages_lock();
    cmd_progress_erase();
    if (colour && paint)
        fprintf(stderr, "%s%s:\033[0m %s\n", paint, program, text);
    else
        fprintf(stderr, "%s: %s\n", program, text);
    fflush(stderr);
    cmd_messages_unlock();
}

#define SAY(paint)                                                                                 \
    do {                                                                                           \
        va_list ap;                                                                                \
        va_start(ap, fmt);                                                                         \
        say(paint, fmt, ap);                                                                       \
        va_end(ap);                                                                                \
    } while (0)

void cmd_error(const char *fmt, ...)
{
    SAY("\033[1;31m");
}

void cmd_warn(const char *fmt, ...)
{
    if (cmd_common.quiet < 2) SAY("\033[1;33m");
}

void cmd_note(const char *fmt, ...)
{
    if (cmd_common.quiet < 1) SAY(NULL);
}

void cmd_detail(const char *fmt, ...)
{
    if (cmd_common.verbose > 0 && cmd_common.quiet < 1) SAY(NULL);
}

const char *cmd_plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

void cmd_note_damaged(int64_t n)
{
    if (n > 0)
        cmd_note("%" PRId64 " damaged %s used all the same", n,
                 n == 1 ? "picture was" : "pictures were");
}

bool cmd_warn_of_end(const char *path, enum vlp_ending ending)
{
    static const char *const what[] = {
        [VLP_UNFINISHED] = "no end record: the job that writes it has not finished",
        [VLP_BROKEN_JOIN] = "a part that was joined into it has no end record: its job had not "
                            "finished",
        [VLP_TORN] = "the end is torn off; what stands before it is used"};
    if (ending != VLP_ENDED) cmd_warn("%s: %s", path, what[ending]);
    return ending != VLP_ENDED;
}

int cmd_exit_of(enum vlp_status s)
{
    switch (s) {
    case VLP_OK: return CMD_OK;
    case VLP_ERR_USAGE:
    case VLP_ERR_EXISTS: return CMD_USAGE;
    case VLP_ERR_MISMATCH:
    case VLP_ERR_SUPPORT: return CMD_MISMATCH; /* a sound file that does not fit this program */
    case VLP_ERR_FORMAT:
    case VLP_ERR_LIMIT: return CMD_CORRUPT;
    case VLP_ERR_STOPPED: return CMD_LIMIT;
    default: return CMD_FAILED;
    }
}

int cmd_fail(const struct vlp_error *err)
{
    const int status = cmd_exit_of(err->status);
    cmd_error("%s", err->text);
    if (status == CMD_USAGE) cmd_say_where_to_look();
    return status;
}
