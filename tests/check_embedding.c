/*
 * check_embedding.c -- the embedding stream: what goes in comes out, and what breaks is told.
 */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vlp/embedding.h>

static char dir[64];
static char path_buffer[4][256];

static const char *in_dir(const char *name)
{
    static int turn;
    char      *p = path_buffer[turn++ % 4];
    snprintf(p, sizeof path_buffer[0], "%s/%s", dir, name);
    return p;
}

static void make_dir(void)
{
    /* Thousands of small files, each synced: in memory where there is such a place. */
    strcpy(dir,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/vlp-check-XXXXXX" : "/tmp/vlp-check-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static struct vlp_embedding_header header_of(int dim, enum vlp_dtype t)
{
    return (struct vlp_embedding_header){.dim = dim,
                                         .dtype = t,
                                         .modality = VLP_IMAGE,
                                         .normalized = true,
                                         .fingerprint = "00112233445566778899aabbccddeeff"};
}

/* Value c of record i: anything that differs everywhere and survives f16 and bf16. */
static float value(int64_t i, int c)
{
    return (float)((i * 7 + c * 3) % 64 - 32) / 32.0f;
}

static struct vlp_embedding_writer *open_writer(const char                        *path,
                                                const struct vlp_embedding_header *h, bool force,
                                                bool append)
{
    struct vlp_embedding_writer       *w = NULL;
    struct vlp_embedding_write_options o = {.force = force, .append = append};
    struct vlp_error                   err;
    ck_assert_msg(vlp_embedding_writer_open(&w, path, h, &o, &err) == VLP_OK, "%s", err.text);
    return w;
}

/* No ck_ call in here: children that are killed must not be in the middle of one. */
static enum vlp_status put_records(struct vlp_embedding_writer *w, int64_t from, int64_t to,
                                   int dim)
{
    float          *x = vlp_malloc((size_t)dim * sizeof *x);
    enum vlp_status s = VLP_OK;
    for (int64_t i = from; i < to && s == VLP_OK; i++) {
        char id[32], meta[32];
        for (int c = 0; c < dim; c++) x[c] = value(i, c);
        snprintf(id, sizeof id, "id-%lld", (long long)i);
        snprintf(meta, sizeof meta, "meta %lld", (long long)i);
        struct vlp_record r = {.id = id,
                               .id_len = strlen(id),
                               .flags = i % 5 == 0 ? VLP_RECORD_TEXT : 0,
                               .meta = i % 3 == 0   ? NULL
                                       : i % 3 == 1 ? meta
                                                    : "",
                               .meta_len = i % 3 == 1 ? strlen(meta) : 0,
                               .vector = x};
        s = vlp_embedding_write(w, &r, NULL);
    }
    free(x);
    return s;
}

static void write_records(struct vlp_embedding_writer *w, int64_t from, int64_t to, int dim)
{
    ck_assert_int_eq(put_records(w, from, to, dim), VLP_OK);
}

static void write_stream(const char *path, int64_t n, const struct vlp_embedding_header *h)
{
    struct vlp_embedding_writer *w = open_writer(path, h, true, false);
    write_records(w, 0, n, h->dim);
    ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
}

/* What is wrong with row k of the block, which should be record i of the series; NULL: nothing. */
static const char *fault_of(const struct vlp_embedding_header *h,
                            const struct vlp_embedding_block *b, int k, int64_t i, float *x)
{
    const float tolerance = h->dtype == VLP_I8 ? 0.5f / 127.0f : 0.0f; /* half a step */
    char        id[32], meta[32];
    snprintf(id, sizeof id, "id-%lld", (long long)i);
    snprintf(meta, sizeof meta, "meta %lld", (long long)i);
    if (strcmp(b->ids[k], id) != 0 || b->id_lens[k] != strlen(id)) return "id";
    if (b->flags[k] != (i % 5 == 0 ? VLP_RECORD_TEXT : 0)) return "flags";
    if ((b->metas[k] == NULL) != (i % 3 == 0)) return "absent meta";
    if (b->metas[k] && strcmp(b->metas[k], i % 3 == 1 ? meta : "") != 0) return "meta";
    if (b->metas[k] && b->meta_lens[k] != strlen(b->metas[k])) return "length of meta";
    vlp_embedding_row_f32(h, b, k, x);
    for (int c = 0; c < h->dim; c++)
        if (!(fabsf(x[c] - value(i, c)) <= tolerance)) return "vector";
    return NULL;
}

/* Read to the end, check that record k is record `first + k` of the series; returns how many. */
static int64_t read_series(struct vlp_embedding_reader *r, int64_t first)
{
    const struct vlp_embedding_header *h = vlp_embedding_header(r);
    struct vlp_embedding_block         b;
    struct vlp_error                   err;
    int64_t                            n = 0;
    float                             *x = vlp_malloc((size_t)h->dim * sizeof *x);
    for (;;) {
        ck_assert_msg(vlp_embedding_next(r, &b, &err) == VLP_OK, "%s", err.text);
        if (b.n == 0) break;
        ck_assert_uint_eq((uintptr_t)b.raw % 64, 0);
        for (int k = 0; k < b.n; k++, n++) {
            const char *fault = fault_of(h, &b, k, first + n, x);
            if (fault) ck_abort_msg("record %lld has another %s", (long long)(first + n), fault);
        }
    }
    free(x);
    return n;
}

static int64_t count_of(const char *path, bool *torn, bool *ended)
{
    struct vlp_embedding_reader *r;
    struct vlp_error             err;
    ck_assert_msg(vlp_embedding_open(&r, path, &err) == VLP_OK, "%s", err.text);
    const int64_t n = read_series(r, 0);
    if (torn) *torn = vlp_embedding_torn(r);
    if (ended) *ended = vlp_embedding_ended(r);
    vlp_embedding_close(r);
    return n;
}

static enum vlp_status status_of(const char *path, bool skip, int64_t *n, struct vlp_error *err)
{
    struct vlp_embedding_reader      *r;
    struct vlp_embedding_block        b;
    struct vlp_embedding_read_options o = {.skip_damaged = skip};
    enum vlp_status                   s = vlp_embedding_open_with(&r, path, &o, err);
    *n = 0;
    if (s != VLP_OK) return s;
    while ((s = vlp_embedding_next(r, &b, err)) == VLP_OK && b.n) *n += b.n;
    vlp_embedding_close(r);
    return s;
}

static void slurp(const char *path, struct vlp_buf *b)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(vlp_read_all(b, f, 0, path, NULL), VLP_OK);
    fclose(f);
}

static void spill(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(a_stream_gives_back_what_was_written_in_every_element_type)
{
    const enum vlp_dtype        type[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};
    const int                   dim = _i / 4 ? 512 : 5;
    struct vlp_embedding_header h = header_of(dim, type[_i % 4]);
    h.about = json_pack("{s:s,s:b,s:f}", "command", "check", "orient", 1, "logit_scale", 100.0);
    write_stream(in_dir("a.vle"), 9001, &h);
    struct vlp_embedding_reader *r;
    ck_assert_int_eq(vlp_embedding_open(&r, in_dir("a.vle"), NULL), VLP_OK);
    const struct vlp_embedding_header *g = vlp_embedding_header(r);
    ck_assert_int_eq(g->dim, dim);
    ck_assert_int_eq(g->dtype, h.dtype);
    ck_assert_int_eq(g->modality, VLP_IMAGE);
    ck_assert(g->normalized);
    ck_assert_str_eq(g->fingerprint, h.fingerprint);
    ck_assert(json_equal(g->about, h.about));
    ck_assert_int_eq(read_series(r, 0), 9001);
    ck_assert(vlp_embedding_ended(r));
    ck_assert(!vlp_embedding_torn(r));
    vlp_embedding_close(r);
    json_decref(h.about);
    struct stat st;
    ck_assert_int_eq(stat(in_dir("a.vle"), &st), 0);
    ck_assert_int_eq(st.st_size % 64, 0);
}
END_TEST

START_TEST(a_stream_without_records_is_whole)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    bool                              torn, ended;
    write_stream(in_dir("a.vle"), 0, &h);
    ck_assert_int_eq(count_of(in_dir("a.vle"), &torn, &ended), 0);
    ck_assert(!torn && ended);
}
END_TEST

START_TEST(a_deletion_is_a_record_without_a_vector)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_embedding_writer      *w = open_writer(in_dir("a.vle"), &h, false, false);
    struct vlp_record r = {.id = "gone\tand\nodd", .id_len = 12, .flags = VLP_RECORD_DELETED};
    ck_assert_int_eq(vlp_embedding_write(w, &r, NULL), VLP_OK);
    r.flags = 0;
    ck_assert_int_eq(vlp_embedding_write(w, &r, NULL), VLP_ERR_USAGE);
    ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
    struct vlp_embedding_reader *in;
    struct vlp_embedding_block   b;
    ck_assert_int_eq(vlp_embedding_open(&in, in_dir("a.vle"), NULL), VLP_OK);
    ck_assert_int_eq(vlp_embedding_next(in, &b, NULL), VLP_OK);
    ck_assert_int_eq(b.n, 1);
    ck_assert_str_eq(b.ids[0], "gone\tand\nodd");
    ck_assert_uint_eq(b.flags[0], VLP_RECORD_DELETED);
    vlp_embedding_close(in);
}
END_TEST

START_TEST(an_existing_file_is_kept_unless_forced)
{
    const struct vlp_embedding_header  h = header_of(3, VLP_F32);
    struct vlp_embedding_writer       *w;
    struct vlp_embedding_write_options o = {0};
    write_stream(in_dir("a.vle"), 10, &h);
    ck_assert_int_eq(vlp_embedding_writer_open(&w, in_dir("a.vle"), &h, &o, NULL), VLP_ERR_EXISTS);
    ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 10);
    write_stream(in_dir("a.vle"), 4, &h);
    ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 4);
}
END_TEST

START_TEST(appending_continues_a_finished_stream)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F16);
    bool                              torn, ended;
    write_stream(in_dir("a.vle"), 5000, &h);
    for (int64_t n = 5000; n < 5030; n += 10) {
        struct vlp_embedding_writer *w = open_writer(in_dir("a.vle"), &h, false, true);
        write_records(w, n, n + 10, 3);
        ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
    }
    ck_assert_int_eq(count_of(in_dir("a.vle"), &torn, &ended), 5030);
    ck_assert(ended && !torn);
}
END_TEST

START_TEST(a_finished_stream_stays_so_when_what_is_appended_has_no_end)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    bool                              torn, ended;
    write_stream(in_dir("a.vle"), 10, &h);
    struct vlp_embedding_writer *w = open_writer(in_dir("a.vle"), &h, false, true);
    write_records(w, 10, 20, 3);
    ck_assert_int_eq(vlp_embedding_flush(w, NULL), VLP_OK);
    vlp_embedding_writer_abandon(w);
    ck_assert_int_eq(count_of(in_dir("a.vle"), &torn, &ended), 20);
    ck_assert(ended && !torn);
}
END_TEST

START_TEST(appending_under_another_header_is_refused)
{
    struct vlp_embedding_header        h = header_of(3, VLP_F32), g = h;
    struct vlp_embedding_writer       *w;
    struct vlp_embedding_write_options o = {.append = true};
    struct vlp_error                   err;
    write_stream(in_dir("a.vle"), 10, &h);
    strcpy(g.fingerprint, "ffeeddccbbaa99887766554433221100");
    ck_assert_int_eq(vlp_embedding_writer_open(&w, in_dir("a.vle"), &g, &o, &err),
                     VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, h.fingerprint));
    ck_assert_ptr_nonnull(strstr(err.text, g.fingerprint));
    g = h;
    g.dim = 4;
    ck_assert_int_eq(vlp_embedding_writer_open(&w, in_dir("a.vle"), &g, &o, &err),
                     VLP_ERR_MISMATCH);
    ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 10);
}
END_TEST

/* Whether there is a file or not: what would be continued is a stream. */
START_TEST(only_streams_are_appended_to)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    for (const char *const *f = vlp_embedding_formats; *f; f++) {
        struct vlp_embedding_write_options o = {.format = *f, .append = true};
        struct vlp_embedding_writer       *w;
        const bool                         stream = strcmp(*f, "vle") == 0;
        char                               path[256];
        snprintf(path, sizeof path, "%s.%s", in_dir("new"), *f);
        ck_assert_int_eq(vlp_embedding_writer_open(&w, path, &h, &o, NULL),
                         stream ? VLP_OK : VLP_ERR_USAGE);
        if (stream) ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
        ck_assert_int_eq(access(path, F_OK) == 0, stream);
    }
}
END_TEST

START_TEST(two_writers_do_not_share_a_file)
{
    const struct vlp_embedding_header  h = header_of(3, VLP_F32);
    struct vlp_embedding_writer       *w = open_writer(in_dir("a.vle"), &h, false, false), *other;
    struct vlp_embedding_write_options o = {.append = true};
    ck_assert_int_eq(vlp_embedding_writer_open(&other, in_dir("a.vle"), &h, &o, NULL), VLP_ERR_IO);
    vlp_embedding_writer_abandon(w);
}
END_TEST

START_TEST(a_file_that_was_written_to_since_it_was_read_is_left_alone)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_embedding_writer      *w;
    struct stat                       st;
    struct vlp_error                  err;
    for (int force = 0; force < 2; force++) {
        struct vlp_embedding_write_options o = {.force = force, .append = !force, .seen = &st};
        write_stream(in_dir("a.vle"), 10, &h);
        ck_assert_int_eq(stat(in_dir("a.vle"), &st), 0);
        w = open_writer(in_dir("a.vle"), &h, false, true);
        write_records(w, 10, 20, 3);
        ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
        ck_assert_int_eq(vlp_embedding_writer_open(&w, in_dir("a.vle"), &h, &o, &err), VLP_ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.text, "another program is writing to it"));
        ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 20);
        ck_assert_int_eq(stat(in_dir("a.vle"), &st), 0);
        ck_assert_int_eq(vlp_embedding_writer_open(&w, in_dir("a.vle"), &h, &o, NULL), VLP_OK);
        vlp_embedding_writer_abandon(w);
    }
}
END_TEST

START_TEST(a_file_that_is_being_written_is_not_overwritten)
{
    const struct vlp_embedding_header  h = header_of(3, VLP_F32);
    struct vlp_embedding_writer       *w = open_writer(in_dir("a.vle"), &h, false, false), *other;
    struct vlp_embedding_write_options o = {.force = true};
    struct vlp_error                   err;
    write_records(w, 0, 10, 3);
    ck_assert_int_eq(vlp_embedding_writer_open(&other, in_dir("a.vle"), &h, &o, &err), VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "another program is writing to it"));
    ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
    ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 10);
    /* A file that its owner only reads is replaced all the same. */
    ck_assert_int_eq(chmod(in_dir("a.vle"), 0400), 0);
    write_stream(in_dir("a.vle"), 4, &h);
    ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 4);
}
END_TEST

START_TEST(a_writer_whose_file_was_taken_away_says_so)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_error                  err;
    for (int how = 0; how < 4; how++) {
        struct vlp_embedding_writer *w = open_writer(in_dir("a.vle"), &h, true, false);
        write_records(w, 0, 10, 3);
        ck_assert_int_eq(unlink(in_dir("a.vle")), 0);
        if (how & 1) write_stream(in_dir("a.vle"), 4, &h);
        if (how & 2) {
            ck_assert_int_eq(vlp_embedding_flush(w, &err), VLP_ERR_IO);
            vlp_embedding_writer_abandon(w);
        } else {
            ck_assert_int_eq(vlp_embedding_writer_close(w, &err), VLP_ERR_IO);
        }
        ck_assert_ptr_nonnull(strstr(err.text, "a.vle"));
        if (how & 1) ck_assert_int_eq(count_of(in_dir("a.vle"), NULL, NULL), 4);
    }
}
END_TEST

START_TEST(streams_with_equal_headers_may_be_concatenated)
{
    const struct vlp_embedding_header h = header_of(7, VLP_F32);
    struct vlp_buf                    all = {0}, b = {0};
    struct vlp_embedding_writer      *w;
    write_stream(in_dir("a.vle"), 5000, &h);
    slurp(in_dir("a.vle"), &all);
    w = open_writer(in_dir("b.vle"), &h, false, false);
    write_records(w, 5000, 5003, 7);
    vlp_embedding_writer_close(w, NULL);
    slurp(in_dir("b.vle"), &b);
    vlp_buf_add(&all, b.data, b.len);
    spill(in_dir("c.vle"), all.data, all.len);
    bool torn, ended;
    ck_assert_int_eq(count_of(in_dir("c.vle"), &torn, &ended), 5003);
    ck_assert(ended && !torn);
    /* and be continued */
    w = open_writer(in_dir("c.vle"), &h, false, true);
    write_records(w, 5003, 5010, 7);
    vlp_embedding_writer_close(w, NULL);
    ck_assert_int_eq(count_of(in_dir("c.vle"), &torn, &ended), 5010);
    ck_assert(ended && !torn);
    vlp_buf_free(&all);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(streams_with_other_headers_do_not_belong_into_one_file)
{
    struct vlp_embedding_header h = header_of(7, VLP_F32);
    struct vlp_buf              all = {0};
    struct vlp_error            err;
    int64_t                     n;
    write_stream(in_dir("a.vle"), 5, &h);
    h.dim = 8;
    write_stream(in_dir("b.vle"), 5, &h);
    slurp(in_dir("a.vle"), &all);
    slurp(in_dir("b.vle"), &all);
    spill(in_dir("c.vle"), all.data, all.len);
    ck_assert_int_eq(status_of(in_dir("c.vle"), false, &n, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "dimension"));
    ck_assert_int_eq(n, 5);
    vlp_buf_free(&all);
}
END_TEST

/* The end record of the last part does not speak for the parts before it. */
START_TEST(a_join_is_complete_when_every_stream_in_it_is)
{
    enum { END = 64 }; /* bytes of an end record */
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_buf                    part = {0};
    write_stream(in_dir("a.vle"), 5, &h);
    slurp(in_dir("a.vle"), &part);
    for (unsigned lacking = 0; lacking < 8; lacking++) {
        struct vlp_buf all = {0};
        for (unsigned k = 0; k < 3; k++)
            vlp_buf_add(&all, part.data, part.len - (lacking >> k & 1 ? END : 0));
        spill(in_dir("c.vle"), all.data, all.len);
        struct vlp_embedding_reader *r;
        struct vlp_embedding_block   b;
        ck_assert_int_eq(vlp_embedding_open(&r, in_dir("c.vle"), NULL), VLP_OK);
        int n = 0;
        do {
            ck_assert_int_eq(vlp_embedding_next(r, &b, NULL), VLP_OK);
            n += b.n;
        } while (b.n > 0);
        ck_assert_int_eq(n, 15);
        ck_assert(!vlp_embedding_torn(r));
        ck_assert_int_eq(vlp_embedding_ended(r), lacking == 0);
        vlp_embedding_close(r);
        vlp_buf_free(&all);
    }
    vlp_buf_free(&part);
}
END_TEST

/* A stream of three blocks (4, 3 and 2 records), and where its pieces end. */
static void small_stream(struct vlp_buf *b, size_t end_of[5])
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_embedding_writer      *w = open_writer(in_dir("s.vle"), &h, true, false);
    struct stat                       st;
    const int                         upto[] = {0, 4, 7, 9};
    for (int k = 0; k < 4; k++) {
        if (k) write_records(w, upto[k - 1], upto[k], 3);
        ck_assert_int_eq(vlp_embedding_flush(w, NULL), VLP_OK);
        ck_assert_int_eq(stat(in_dir("s.vle"), &st), 0);
        end_of[k] = (size_t)st.st_size;
    }
    ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
    slurp(in_dir("s.vle"), b);
    end_of[4] = b->len;
}

START_TEST(cut_at_any_byte_a_stream_keeps_its_whole_blocks_and_continues)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_buf                    b = {0};
    size_t                            end_of[5];
    const int                         upto[] = {0, 4, 7, 9, 9};
    small_stream(&b, end_of);
    for (size_t len = 0; len <= b.len; len++) {
        int     k = 4;
        bool    torn, ended;
        int64_t n;
        while (k >= 0 && end_of[k] > len) k--;
        spill(in_dir("cut.vle"), b.data, len);
        if (k < 0) {
            struct vlp_error err;
            ck_assert_int_eq(status_of(in_dir("cut.vle"), false, &n, &err), VLP_ERR_FORMAT);
            n = 0;
        } else {
            n = count_of(in_dir("cut.vle"), &torn, &ended);
            ck_assert_int_eq(n, upto[k]);
            ck_assert_int_eq(torn, len != end_of[k]);
            ck_assert_int_eq(ended, k == 4);
        }
        struct vlp_embedding_writer *w = open_writer(in_dir("cut.vle"), &h, false, true);
        write_records(w, n, 12, 3);
        ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
        ck_assert_int_eq(count_of(in_dir("cut.vle"), &torn, &ended), 12);
        ck_assert(ended && !torn);
    }
    vlp_buf_free(&b);
}
END_TEST

START_TEST(any_flipped_bit_is_found)
{
    struct vlp_buf   b = {0};
    struct vlp_error err;
    size_t           end_of[5];
    small_stream(&b, end_of);
    for (size_t at = 0; at < b.len; at++) {
        int64_t n;
        b.data[at] ^= (char)(1 << at % 8);
        spill(in_dir("bad.vle"), b.data, b.len);
        const enum vlp_status s = status_of(in_dir("bad.vle"), false, &n, &err);
        if (at < end_of[3]) {
            ck_assert_msg(s == VLP_ERR_FORMAT || s == VLP_ERR_MISMATCH, "byte %zu: %d", at, s);
        } else { /* the end record: no record is lost, but the end is not vouched for */
            bool torn, ended;
            ck_assert_int_eq(count_of(in_dir("bad.vle"), &torn, &ended), 9);
            ck_assert(torn && !ended);
        }
        b.data[at] ^= (char)(1 << at % 8);
    }
    vlp_buf_free(&b);
}
END_TEST

START_TEST(damage_in_the_middle_names_block_and_offset_and_can_be_stepped_over)
{
    struct vlp_buf   b = {0};
    struct vlp_error err;
    size_t           end_of[5];
    int64_t          n;
    small_stream(&b, end_of);
    for (size_t at = end_of[1]; at < end_of[2]; at += 13) {
        b.data[at] ^= 0x40;
        spill(in_dir("bad.vle"), b.data, b.len);
        char offset[64];
        snprintf(offset, sizeof offset, "block 2 at offset %zu", end_of[1]);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
        ck_assert_int_eq(n, 4);
        ck_assert_msg(strstr(err.text, offset) != NULL, "%s", err.text);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), true, &n, &err), VLP_OK);
        ck_assert_int_eq(n, 6);
        b.data[at] ^= 0x40;
    }
    vlp_buf_free(&b);
}
END_TEST

START_TEST(a_missing_or_doubled_block_is_damage)
{
    struct vlp_buf   b = {0}, c = {0};
    struct vlp_error err;
    size_t           end_of[5];
    int64_t          n;
    small_stream(&b, end_of);
    vlp_buf_add(&c, b.data, end_of[1]);
    vlp_buf_add(&c, b.data + end_of[2], b.len - end_of[2]);
    /* With an end behind the gap, and as if the writer had been killed before it. */
    for (int ends = 0; ends < 2; ends++) {
        spill(in_dir("bad.vle"), c.data, ends ? c.len : end_of[1] + end_of[3] - end_of[2]);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
        ck_assert_int_eq(n, 4);
        ck_assert_ptr_nonnull(strstr(err.text, "records are missing or doubled"));
        ck_assert_int_eq(status_of(in_dir("bad.vle"), true, &n, &err), VLP_OK);
        ck_assert_int_eq(n, 6); /* the sound block behind the gap is kept */
    }
    vlp_buf_clear(&c);
    vlp_buf_add(&c, b.data, end_of[2]);
    vlp_buf_add(&c, b.data + end_of[1], b.len - end_of[1]);
    spill(in_dir("bad.vle"), c.data, c.len);
    ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
    ck_assert_int_eq(n, 7);
    /* The records of the second one are there already; those behind it follow. */
    ck_assert_int_eq(status_of(in_dir("bad.vle"), true, &n, &err), VLP_OK);
    ck_assert_int_eq(n, 9);
    /* A part of a stream is there twice, and as the last that a killed writer left. */
    vlp_buf_clear(&c);
    vlp_buf_add(&c, b.data, end_of[3]);
    vlp_buf_add(&c, b.data + end_of[0], end_of[2] - end_of[0]);
    for (int ends = 0; ends < 2; ends++) {
        struct vlp_embedding_reader      *r;
        struct vlp_embedding_block        block;
        struct vlp_embedding_read_options skip = {.skip_damaged = true};
        spill(in_dir("bad.vle"), c.data, c.len);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
        ck_assert_int_eq(vlp_embedding_open_with(&r, in_dir("bad.vle"), &skip, &err), VLP_OK);
        for (n = 0; vlp_embedding_next(r, &block, &err) == VLP_OK && block.n; n += block.n)
            ;
        ck_assert_int_eq(n, 9);
        ck_assert_int_eq(vlp_embedding_damaged(r), 2);
        ck_assert(!vlp_embedding_ended(r) && !vlp_embedding_torn(r));
        vlp_embedding_close(r);
        vlp_buf_add(&c, b.data + end_of[3], end_of[4] - end_of[3]);
    }
    /* A sound one behind a damaged one of the same records is not there already. */
    vlp_buf_clear(&c);
    vlp_buf_add(&c, b.data, end_of[3]);
    vlp_buf_add(&c, b.data + end_of[1], end_of[2] - end_of[1]);
    c.data[end_of[2] - 1] ^= 1;
    spill(in_dir("bad.vle"), c.data, c.len);
    ck_assert_int_eq(status_of(in_dir("bad.vle"), true, &n, &err), VLP_OK);
    ck_assert_int_eq(n, 9);
    vlp_buf_free(&b);
    vlp_buf_free(&c);
}
END_TEST

START_TEST(an_end_record_that_counts_other_records_is_damage)
{
    const struct vlp_embedding_header h = header_of(3, VLP_F32);
    struct vlp_buf                    b = {0}, c = {0};
    struct vlp_error                  err;
    size_t                            end_of[5];
    int64_t                           n;
    small_stream(&b, end_of);
    vlp_buf_add(&c, b.data, end_of[2]);
    vlp_buf_add(&c, b.data + end_of[3], b.len - end_of[3]);
    for (int behind = 0; behind < 2; behind++) {
        spill(in_dir("bad.vle"), c.data, c.len);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
        ck_assert_int_eq(n, 7);
        ck_assert_ptr_nonnull(strstr(err.text, "end record"));
        struct vlp_embedding_reader      *r;
        struct vlp_embedding_block        block;
        struct vlp_embedding_read_options skip = {.skip_damaged = true};
        ck_assert_int_eq(vlp_embedding_open_with(&r, in_dir("bad.vle"), &skip, &err), VLP_OK);
        for (n = 0; vlp_embedding_next(r, &block, &err) == VLP_OK && block.n; n += block.n)
            ;
        ck_assert_int_eq(n, behind ? 9 : 7);
        ck_assert_int_eq(vlp_embedding_damaged(r), 1);
        ck_assert(!vlp_embedding_ended(r) && !vlp_embedding_torn(r));
        vlp_embedding_close(r);
        struct vlp_embedding_writer             *w; /* and whoever continues cuts nothing off */
        const struct vlp_embedding_write_options o = {.append = true};
        ck_assert_int_eq(vlp_embedding_writer_open(&w, in_dir("bad.vle"), &h, &o, &err),
                         VLP_ERR_FORMAT);
        vlp_buf_add(&c, b.data + end_of[2], b.len - end_of[2]);
    }
    vlp_buf_free(&b);
    vlp_buf_free(&c);
}
END_TEST

/* Make the checksums of the block at `at` right again: only its contents are wrong. */
static void sum_block(struct vlp_buf *b, size_t at, size_t end)
{
    uint8_t *p = (uint8_t *)b->data + at;
    vlp_store_u64(p + 32, vlp_hash64(p + 64, end - at - 64));
    vlp_store_u64(p + 56, vlp_hash64(p, 56));
}

START_TEST(a_block_that_was_written_wrong_is_no_torn_tail)
{
    struct vlp_buf   b = {0};
    struct vlp_error err;
    size_t           end_of[5];
    int64_t          n;
    small_stream(&b, end_of);
    /* n; the end of an id; a byte of an id, which then has a NUL in it */
    const size_t at = end_of[2], places[] = {at + 8, at + 64 + 4 * 2, at + 64 + 12 * 2};
    for (size_t i = 0; i < VLP_COUNT(places); i++) {
        const char old = b.data[places[i]];
        b.data[places[i]] = 0;
        sum_block(&b, at, end_of[3]);
        spill(in_dir("bad.vle"), b.data, end_of[3]);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
        ck_assert_int_eq(status_of(in_dir("bad.vle"), true, &n, &err), VLP_OK);
        ck_assert_int_eq(n, 7);
        b.data[places[i]] = old;
    }
    vlp_buf_free(&b);
}
END_TEST

/* Change one field of the header and make its checksum right again. */
static void patched(const char *path, struct vlp_buf *b, size_t at, const void *p, size_t n)
{
    uint8_t old[16];
    memcpy(old, b->data + at, n);
    memcpy(b->data + at, p, n);
    memset(b->data + 120, 0, 8);
    vlp_store_u64(b->data + 120, vlp_hash64(b->data, vlp_load_u32(b->data + 12)));
    spill(path, b->data, b->len);
    memcpy(b->data + at, old, n);
}

START_TEST(unknown_required_features_and_versions_are_refused_by_name_optional_ones_ignored)
{
    struct vlp_buf   b = {0};
    struct vlp_error err;
    size_t           end_of[5];
    int64_t          n;
    const uint8_t    version = 2, bit5 = 32;
    small_stream(&b, end_of);
    patched(in_dir("x.vle"), &b, 8, &version, 1);
    ck_assert_int_eq(status_of(in_dir("x.vle"), false, &n, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "version 2"));
    patched(in_dir("x.vle"), &b, 16, &bit5, 1);
    ck_assert_int_eq(status_of(in_dir("x.vle"), false, &n, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "feature bit 5"));
    patched(in_dir("x.vle"), &b, 24, &bit5, 1);
    ck_assert_int_eq(status_of(in_dir("x.vle"), false, &n, &err), VLP_OK);
    ck_assert_int_eq(n, 9);
    const uint8_t zero[4] = {0}, huge[4] = {0xff, 0xff, 0xff, 0xff};
    patched(in_dir("x.vle"), &b, 32, zero, 4);
    ck_assert_int_eq(status_of(in_dir("x.vle"), false, &n, &err), VLP_ERR_FORMAT);
    patched(in_dir("x.vle"), &b, 32, huge, 4);
    ck_assert_int_eq(status_of(in_dir("x.vle"), false, &n, &err), VLP_ERR_FORMAT);
    patched(in_dir("x.vle"), &b, 44, huge, 4);
    ck_assert_int_eq(status_of(in_dir("x.vle"), false, &n, &err), VLP_ERR_FORMAT);
    vlp_buf_free(&b);
}
END_TEST

/* A right checksum is no accident of a killed writer: its piece is sound for what stands before it,
 * and damage, no torn tail, where it says what cannot be. */
START_TEST(a_piece_whose_checksum_is_right_is_sound_whatever_it_says)
{
    const struct vlp_embedding_header wide = header_of(5, VLP_F32);
    struct vlp_buf                    b = {0}, other = {0}, c = {0};
    struct vlp_error                  err;
    size_t                            end_of[5], other_end[5];
    int64_t                           n;
    const uint8_t                     zero[4] = {0};
    small_stream(&b, end_of);
    /* A joined stream of another width whose header is damaged: its blocks are no torn tail. */
    write_stream(in_dir("wide.vle"), 4, &wide);
    slurp(in_dir("wide.vle"), &other);
    vlp_buf_add(&c, b.data, b.len);
    vlp_buf_add(&c, other.data, other.len - 64);
    c.data[b.len + 20] ^= 1;
    spill(in_dir("bad.vle"), c.data, c.len);
    ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
    ck_assert_int_eq(status_of(in_dir("bad.vle"), true, &n, &err), VLP_OK);
    ck_assert_int_eq(n, 9);
    /* The same stream with a header that says the width 0, and nothing behind it. */
    vlp_buf_clear(&other);
    small_stream(&other, other_end);
    patched(in_dir("zero.vle"), &other, 32, zero, 4);
    vlp_buf_clear(&other);
    slurp(in_dir("zero.vle"), &other);
    vlp_buf_clear(&c);
    vlp_buf_add(&c, b.data, b.len);
    vlp_buf_add(&c, other.data, other_end[0]);
    spill(in_dir("bad.vle"), c.data, c.len);
    ck_assert_int_eq(status_of(in_dir("bad.vle"), false, &n, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "impossible header"));
    vlp_buf_free(&b);
    vlp_buf_free(&other);
    vlp_buf_free(&c);
}
END_TEST

START_TEST(a_writer_killed_at_any_moment_leaves_a_stream_that_continues)
{
    const struct vlp_embedding_header h = header_of(96, VLP_F32);
    struct vlp_rng                    rng;
    vlp_rng_seed(&rng, 20, 1);
    int64_t least = INT64_MAX, most = 0;
    for (int round = 0; round < 60; round++) {
        unlink(in_dir("k.vle"));
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct vlp_embedding_writer       *w;
            struct vlp_embedding_write_options o = {.append = true};
            if (vlp_embedding_writer_open(&w, in_dir("k.vle"), &h, &o, NULL) != VLP_OK) _exit(1);
            for (int64_t i = 0;; i += 50) {
                put_records(w, i, i + 50, 96);
                vlp_embedding_flush(w, NULL);
            }
        }
        usleep(vlp_rng_below(&rng, 12000));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        struct stat st;
        bool        ended, torn;
        int64_t     n = 0;
        if (stat(in_dir("k.vle"), &st) == 0 && st.st_size >= 128)
            n = count_of(in_dir("k.vle"), &torn, &ended);
        ck_assert_int_eq(n % 50, 0);
        least = vlp_min_i64(least, n);
        most = vlp_max_i64(most, n);
        struct vlp_embedding_writer *w = open_writer(in_dir("k.vle"), &h, false, true);
        write_records(w, n, n + 20, 96);
        ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
        ck_assert_int_eq(count_of(in_dir("k.vle"), &torn, &ended), n + 20);
        ck_assert(ended && !torn);
    }
    ck_assert_int_gt(most, least); /* the moments did differ */
}
END_TEST

START_TEST(a_stream_goes_through_a_pipe)
{
    const struct vlp_embedding_header h = header_of(33, VLP_F32);
    ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct vlp_embedding_writer       *w;
        struct vlp_embedding_write_options o = {0};
        if (vlp_embedding_writer_open(&w, in_dir("fifo"), &h, &o, NULL) != VLP_OK) _exit(2);
        if (put_records(w, 0, 20000, 33) != VLP_OK) _exit(3);
        _exit(vlp_embedding_writer_close(w, NULL) == VLP_OK ? 0 : 1);
    }
    bool torn, ended;
    int  status;
    ck_assert_int_eq(count_of(in_dir("fifo"), &torn, &ended), 20000);
    ck_assert(ended && !torn);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_full_disk_is_an_error_and_leaves_no_torn_block)
{
    const struct vlp_embedding_header  h = header_of(33, VLP_F32);
    struct vlp_embedding_writer       *w;
    struct vlp_embedding_write_options o = {0};
    struct vlp_error                   err;
    ck_assert_int_eq(vlp_embedding_writer_open(&w, "/dev/full", &h, &o, &err), VLP_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "/dev/full"));
}
END_TEST

START_TEST(vectors_of_other_models_or_widths_are_not_compared)
{
    struct vlp_embedding_header a = header_of(3, VLP_F32), b = a;
    struct vlp_error            err;
    ck_assert_int_eq(vlp_embedding_compatible(&a, "a", &b, "b", false, &err), VLP_OK);
    strcpy(b.fingerprint, "ffeeddccbbaa99887766554433221100");
    ck_assert_int_eq(vlp_embedding_compatible(&a, "a", &b, "b", false, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, a.fingerprint));
    ck_assert_int_eq(vlp_embedding_compatible(&a, "a", &b, "b", true, &err), VLP_OK);
    b.dim = 4;
    ck_assert_int_eq(vlp_embedding_compatible(&a, "a", &b, "b", true, &err), VLP_ERR_MISMATCH);
}
END_TEST

/* The bytes that vlp-embedding(5) prints. */
static void read_example(struct vlp_buf *b)
{
    char  line[256];
    FILE *f = fopen("man/vlp-embedding.5", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        unsigned at, byte;
        int      used;
        if (sscanf(line, "%4x  %n", &at, &used) != 1 || used != 6 || at != b->len) continue;
        for (char *p = line + used; sscanf(p, "%2x%n", &byte, &used) == 1; p += used)
            vlp_buf_add_char(b, (char)byte);
    }
    fclose(f);
}

START_TEST(the_example_of_the_manual_is_what_is_written)
{
    const float                 x[2][4] = {{0.5f, -0.5f, 0.5f, 0.5f}, {0, 0, 1, 0}};
    struct vlp_embedding_header h = header_of(4, VLP_F32);
    struct vlp_record           r[2];
    r[0] = (struct vlp_record){.id = "a.jpg", .id_len = 5, .meta = "x", .meta_len = 1};
    r[1] = (struct vlp_record){.id = "b", .id_len = 1, .flags = VLP_RECORD_TEXT};
    for (int i = 0; i < 2; i++) r[i].vector = x[i];
    struct vlp_buf written = {0}, printed = {0};
    h.modality = VLP_ANY; /* the second is a text */
    h.about = json_pack("{s:s}", "command", "vlp-embed");
    struct vlp_embedding_writer *w = open_writer(in_dir("e.vle"), &h, false, false);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(vlp_embedding_write(w, &r[i], NULL), VLP_OK);
    ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
    json_decref(h.about);
    slurp(in_dir("e.vle"), &written);
    read_example(&printed);
    ck_assert_uint_eq(printed.len, written.len);
    ck_assert_mem_eq(printed.data, written.data, written.len);
    vlp_buf_free(&written);
    vlp_buf_free(&printed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("embedding");
    TCase *t = tcase_create("vle");
    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_stream_gives_back_what_was_written_in_every_element_type, 0, 8);
    tcase_add_test(t, a_stream_without_records_is_whole);
    tcase_add_test(t, a_deletion_is_a_record_without_a_vector);
    tcase_add_test(t, an_existing_file_is_kept_unless_forced);
    tcase_add_test(t, appending_continues_a_finished_stream);
    tcase_add_test(t, a_finished_stream_stays_so_when_what_is_appended_has_no_end);
    tcase_add_test(t, appending_under_another_header_is_refused);
    tcase_add_test(t, only_streams_are_appended_to);
    tcase_add_test(t, two_writers_do_not_share_a_file);
    tcase_add_test(t, a_file_that_was_written_to_since_it_was_read_is_left_alone);
    tcase_add_test(t, a_file_that_is_being_written_is_not_overwritten);
    tcase_add_test(t, a_writer_whose_file_was_taken_away_says_so);
    tcase_add_test(t, streams_with_equal_headers_may_be_concatenated);
    tcase_add_test(t, a_join_is_complete_when_every_stream_in_it_is);
    tcase_add_test(t, streams_with_other_headers_do_not_belong_into_one_file);
    tcase_add_test(t, cut_at_any_byte_a_stream_keeps_its_whole_blocks_and_continues);
    tcase_add_test(t, any_flipped_bit_is_found);
    tcase_add_test(t, damage_in_the_middle_names_block_and_offset_and_can_be_stepped_over);
    tcase_add_test(t, a_missing_or_doubled_block_is_damage);
    tcase_add_test(t, an_end_record_that_counts_other_records_is_damage);
    tcase_add_test(t, a_block_that_was_written_wrong_is_no_torn_tail);
    tcase_add_test(t, a_piece_whose_checksum_is_right_is_sound_whatever_it_says);
    tcase_add_test(
        t, unknown_required_features_and_versions_are_refused_by_name_optional_ones_ignored);
    tcase_add_test(t, a_writer_killed_at_any_moment_leaves_a_stream_that_continues);
    tcase_add_test(t, a_stream_goes_through_a_pipe);
    tcase_add_test(t, a_full_disk_is_an_error_and_leaves_no_torn_block);
    tcase_add_test(t, vectors_of_other_models_or_widths_are_not_compared);
    tcase_add_test(t, the_example_of_the_manual_is_what_is_written);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
