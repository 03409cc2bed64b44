/*
 * check_processes.c -- two processes at half the batch each against one with all of it.
 *
 * A test starts this program again under mpirun; there each process takes its half of a reference
 * batch, and the first compares. Where there is no MPI only a process alone is tested.
 *
 *   all      loss and gradients of the reference, which knows one process only; with batch norms,
 *            the stored statistics after a step as well
 *   local    own rows against all candidates, the other's constant: worked out here from the
 *            features of the whole batch by the formula of the softmax, and taken back through the
 *            towers of one process; of the sigmoid, whose pairs are each on their own, it is the
 *            reference again
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/train.h>

enum { BATCH = 8, RANKS = 2, HALF = BATCH / RANKS };

static const struct {
    const char *name, *model, *loss, *gradients, *weights;
    bool        local;
} cases[] = {
    {"all", "gelu", "softmax", "gradients.safetensors", NULL, false},
    {"sigmoid", "gelu", "sigmoid", "gradients_sigmoid.safetensors", NULL, false},
    {"batch-norm", "resnet", "softmax", "gradients.safetensors", "weights_after_adamw.safetensors",
     false},
    {"local", "gelu", "softmax", NULL, NULL, true},
    {"sigmoid local", "gelu", "sigmoid", "gradients_sigmoid.safetensors", NULL, true},
};

static int failures;

static void complain(const char *what, double got, double want)
{
    fprintf(stderr, "%s: %.9g instead of %.9g\n", what, got, want);
    failures++;
}

static void must(enum vlp_status s, const struct vlp_error *err)
{
    if (s == VLP_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(EXIT_FAILURE);
}

/* ---- the reference's batch --------------------------------------------------------- */

struct fixture {
    char                   dir[128];
    struct vlp_model       model;
    struct vlp_compute     compute;
    struct vlp_safetensors inputs;
    int                    start[BATCH + 1];
    int32_t                ids[BATCH * 80];
};

static void open_fixture(struct fixture *f, const char *name)
{
    struct vlp_error      err;
    struct vlp_checkpoint c;
    char                  path[256];
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "tests/golden/clip/train/%s", name);
    must(vlp_compute_init(&f->compute, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err), &err);
    must(vlp_checkpoint_open(&c, f->dir, NULL, &err), &err);
    must(vlp_model_open(&f->model, &c, &err), &err);
    snprintf(path, sizeof path, "%s/inputs.safetensors", f->dir);
    must(vlp_safetensors_open(&f->inputs, path, &err), &err);
}

static void close_fixture(struct fixture *f)
{
    vlp_safetensors_close(&f->inputs);
    vlp_model_close(&f->model);
}

/* Rows [first, first + n) of batch t; texts end at the first position of their largest id. */
static struct vlp_batch rows_of(struct fixture *f, int t, int first, int n)
{
    char name[32];
    snprintf(name, sizeof name, "image.%d", t);
    const struct vlp_stored *image = vlp_safetensors_find(&f->inputs, name);
    snprintf(name, sizeof name, "text.%d", t);
    const struct vlp_stored *text = vlp_safetensors_find(&f->inputs, name);
    const int                T = (int)text->dim[1];
    const size_t             picture = image->size / sizeof(float) / (size_t)image->dim[0];
    int                      k = 0;
    for (int i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)text->data + (size_t)(first + i) * (size_t)T * 8;
        int            end = 0;
        for (int j = 1; j < T; j++)
            if (vlp_load_u64(row + 8 * j) > vlp_load_u64(row + 8 * end)) end = j;
        f->start[i] = k;
        for (int j = 0; j <= end; j++) f->ids[k++] = (int32_t)vlp_load_u64(row + 8 * j);
    }
    f->start[n] = k;
    return (struct vlp_batch){.n = n,
                              .width = (int)image->dim[3],
                              .height = (int)image->dim[2],
                              .images = (float *)image->data + (size_t)first * picture,
                              .ids = f->ids,
                              .start = f->start};
}

static struct vlp_train_options options_of(const char *loss, bool local)
{
    /* those of the reference's ten steps */
    return (struct vlp_train_options){
        .loss = vlp_contrastive_loss_find(loss),
        .schedule = {"cosine", 1e-3, 0, 1, 3, 10},
        .adamw = {0.9f, 0.98f, 1e-6f, 0.2f},
        .layer_decay = 1,
        .image_rate = 1,
        .text_rate = 1,
        .gather_local = local,
    };
}

/* ---- local, by hand ---------------------------------------------------------------- */

/*
 * Gradient of mean over rows i of -log softmax(s a_i . b)[first + i] in a's rows and b's own rows
 * first .. first + HALF - 1; returns the loss. E columns.
 */
static double half_loss(const float *a, const float *b, int first, int E, double s, double *da,
                        double *db, double *ds)
{
    double loss = 0;
    for (int i = 0; i < HALF; i++) {
        double dot[BATCH], most = -INFINITY, sum = 0;
        for (int j = 0; j < BATCH; j++) {
            dot[j] = 0;
            for (int e = 0; e < E; e++) dot[j] += (double)a[i * E + e] * (double)b[j * E + e];
            most = fmax(most, s * dot[j]);
        }
        for (int j = 0; j < BATCH; j++) sum += exp(s * dot[j] - most);
        loss -= (s * dot[first + i] - most - log(sum)) / HALF;
        for (int j = 0; j < BATCH; j++) {
            const double p = exp(s * dot[j] - most) / sum;
            const double g = (p - (j == first + i)) / HALF; /* of the logit */
            *ds += g * s * dot[j];                          /* of log s */
            for (int e = 0; e < E; e++) {
                da[i * E + e] += g * s * (double)b[j * E + e];
                if (j >= first && j < first + HALF)
                    db[(j - first) * E + e] += g * s * (double)a[i * E + e];
            }
        }
    }
    return loss;
}

/* Gradients of the trainer's parameters by the definition of `local`, and the loss. */
static double local_by_hand(struct fixture *f, struct vlp_trainer *t)
{
    struct vlp_arena            mem = {0};
    struct vlp_tape             tape;
    int                         n;
    struct vlp_trained         *p = vlp_trainer_params(t, &n);
    const int                   E = f->model.embed_dim;
    const struct vlp_batch      b = rows_of(f, 0, 0, BATCH);
    const struct vlp_text_batch texts = {BATCH, b.ids, b.start};
    const double                s = exp((double)vlp_param_f32(f->model.logit_scale)[0]);
    double                      loss = 0, ds = 0;
    double                     *d_image = vlp_calloc((size_t)(BATCH * E), sizeof *d_image);
    double                     *d_text = vlp_calloc((size_t)(BATCH * E), sizeof *d_text);
    for (int i = 0; i < n; i++)
        memset(p[i].param->tensor.grad, 0, vlp_numel(&p[i].param->tensor) * sizeof(float));
    vlp_tape_init(&tape, &f->compute, &mem, true);
    struct vlp_tensor *images = vlp_tensor_of(
        &tape, b.images, VLP_DIMS(BATCH, 3, f->model.image_size, f->model.image_size));
    struct vlp_tensor *image = vlp_normalize(&tape, vlp_encode_image(&f->model, &tape, images));
    struct vlp_tensor *text = vlp_normalize(&tape, vlp_encode_text(&f->model, &tape, &texts));
    for (int first = 0; first < BATCH; first += HALF) {
        const int at = first * E;
        loss +=
            half_loss(image->data + at, text->data, first, E, s, d_image + at, d_text + at, &ds);
        loss +=
            half_loss(text->data + at, image->data, first, E, s, d_text + at, d_image + at, &ds);
    }
    /* the mean of two directions and of two processes */
    for (int i = 0; i < BATCH * E; i++) {
        image->grad[i] = (float)(d_image[i] / 2 / RANKS);
        text->grad[i] = (float)(d_text[i] / 2 / RANKS);
    }
    image->fresh = text->fresh = false; /* two roots: both gradients have contents */
    vlp_backward(&tape, text);
    f->model.logit_scale->tensor.grad[0] = (float)(ds / 2 / RANKS);
    free(d_image);
    free(d_text);
    vlp_arena_free(&mem);
    return loss / 2 / RANKS;
}

/* ---- comparing --------------------------------------------------------------------- */

static void compare(const char *name, const float *got, const float *want, size_t n,
                    double tolerance)
{
    double largest = 0, worst = 0;
    if (strstr(name, "k_proj.bias")) return; /* no gradient but rounding noise */
    for (size_t i = 0; i < n; i++) {
        if (strstr(name, "in_proj_bias") && i >= n / 3 && i < 2 * n / 3) continue;
        largest = fmax(largest, fabs((double)want[i]));
        worst = vlp_worse(worst, fabs((double)got[i] - (double)want[i]));
    }
    if (!(worst <= tolerance * largest + 1e-9)) {
        fprintf(stderr, "%s: off by %g, largest value %g\n", name, worst, largest);
        failures++;
    }
}

static const struct vlp_param *parameter(const struct vlp_trainer *t, const struct fixture *f,
                                         const char *name)
{
    int                 n;
    struct vlp_trained *p = vlp_trainer_params((struct vlp_trainer *)t, &n);
    for (int i = 0; i < n; i++)
        if (strcmp(p[i].param->name, name) == 0) return p[i].param;
    return vlp_params_find(&f->model.params, name);
}

static void compare_file(const struct vlp_trainer *t, const struct fixture *f, const char *file,
                         bool gradients, double tolerance)
{
    struct vlp_safetensors want;
    struct vlp_error       err;
    char                   path[256];
    snprintf(path, sizeof path, "%s/%s", f->dir, file);
    must(vlp_safetensors_open(&want, path, &err), &err);
    for (size_t i = 0; i < want.n_tensors; i++) {
        const struct vlp_stored *s = &want.tensors[i];
        const struct vlp_tensor *x = &parameter(t, f, s->name)->tensor;
        compare(s->name, gradients ? x->grad : x->data, s->data, s->size / 4, tolerance);
    }
    vlp_safetensors_close(&want);
}

/* A number of the case that goes with a loss. */
static double expected(const struct fixture *f, const char *loss, const char *key)
{
    char path[256];
    snprintf(path, sizeof path, "%s/expected.json", f->dir);
    json_t       *root = json_load_file(path, 0, NULL);
    const json_t *all = json_object_get(root, "cases");
    const json_t *own = json_object_get(all, strcmp(loss, "sigmoid") ? "gradients" : loss);
    const double  value = json_number_value(json_object_get(own, key));
    json_decref(root);
    return value;
}

static void compare_by_hand(const char *model, const struct vlp_trainer *t, double loss)
{
    struct fixture           f;
    struct vlp_error         err;
    struct vlp_trainer      *one;
    struct vlp_train_options o = options_of("softmax", false);
    int                      n;
    open_fixture(&f, model);
    must(vlp_trainer_open(&one, &f.model, &f.compute, NULL, &o, &err), &err);
    const double        want = local_by_hand(&f, one);
    struct vlp_trained *p = vlp_trainer_params((struct vlp_trainer *)t, &n);
    if (!(fabs(loss - want) <= 1e-5)) complain("loss by hand", loss, want);
    for (int i = 0; i < n; i++) {
        const struct vlp_param *q = parameter(one, &f, p[i].param->name);
        compare(q->name, p[i].param->tensor.grad, q->tensor.grad, vlp_numel(&q->tensor), 1e-4);
    }
    vlp_trainer_close(one);
    close_fixture(&f);
}

/* One of the two processes. */
static int take_part(int which)
{
    struct fixture      f;
    struct vlp_comm     comm;
    struct vlp_error    err;
    struct vlp_trainer *t;
    must(vlp_comm_open(&comm, &err), &err);
    if (comm.size != RANKS) {
        complain("processes", comm.size, RANKS);
        return EXIT_FAILURE;
    }
    open_fixture(&f, cases[which].model);
    const struct vlp_train_options o = options_of(cases[which].loss, cases[which].local);
    must(vlp_trainer_open(&t, &f.model, &f.compute, &comm, &o, &err), &err);
    if (o.loss->has_bias)
        f.model.logit_scale->tensor.data[0] = (float)expected(&f, cases[which].loss, "logit_scale");
    const int        first = comm.rank * HALF;
    struct vlp_batch b = rows_of(&f, 0, first, HALF);
    if (!cases[which].weights) {
        const double loss = vlp_trainer_gradients(t, &b),
                     want = expected(&f, cases[which].loss, "loss");
        /* under `local`, too, the loss is that of the whole batch */
        if (comm.rank == 0 && !(fabs(loss - want) <= 1e-5 * (1 + want)))
            complain("loss", loss, want);
        if (comm.rank == 0 && cases[which].gradients)
            compare_file(t, &f, cases[which].gradients, true, 1e-4);
        else if (comm.rank == 0)
            compare_by_hand(cases[which].model, t, loss);
    }
    for (int i = 0; i < 4 && cases[which].weights; i++) {
        struct vlp_step step;
        b = rows_of(&f, i, first, HALF);
        must(vlp_trainer_step(t, &b, &step, &err), &err);
        if (i == 0 && comm.rank == 0) compare_file(t, &f, cases[which].gradients, true, 1e-4);
    }
    if (cases[which].weights) compare_file(t, &f, cases[which].weights, false, 5e-4);
    vlp_trainer_close(t);
    close_fixture(&f);
    vlp_comm_close(&comm);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* One of the two processes, asked how it went: fine, then not so in the second, then in neither. */
static int agree(void)
{
    static const enum vlp_status went[][RANKS] = {
        {VLP_OK, VLP_OK}, {VLP_OK, VLP_ERR_IO}, {VLP_ERR_FORMAT, VLP_ERR_IO}, {VLP_OK, VLP_OK}};
    static const enum vlp_status want[] = {VLP_OK, VLP_ERR_IO, VLP_ERR_FORMAT, VLP_OK};
    static const int             who[] = {-1, 1, 0, -1};
    struct vlp_comm              comm;
    struct vlp_error             err;
    must(vlp_comm_open(&comm, &err), &err);
    for (size_t i = 0; i < VLP_COUNT(went); i++) {
        int                   first = 99;
        const enum vlp_status s = vlp_comm_agree(&comm, went[i][comm.rank], &first);
        if (s != want[i]) complain("status", s, want[i]);
        if (first != who[i]) complain("first", first, who[i]);
    }
    vlp_comm_close(&comm);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const char *self;

/* This program once in each process. */
static int launch(const char *argument)
{
    char command[512];
    /* MPI keeps memory of its own to the end: no leaks are looked for. */
    snprintf(command, sizeof command,
             "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
             "ASAN_OPTIONS=detect_leaks=0 mpirun --oversubscribe -np %d '%s' %s",
             RANKS, self, argument);
    return system(command);
}

START_TEST(two_processes_are_one)
{
    char which[16];
    snprintf(which, sizeof which, "%d", _i);
    ck_assert_msg(launch(which) == 0, "%s: see above", cases[_i].name);
}
END_TEST

START_TEST(a_failure_of_one_process_is_known_to_all)
{
    ck_assert_int_eq(launch("agree"), 0);
}
END_TEST

START_TEST(a_process_that_nobody_launched_is_alone)
{
    struct vlp_comm  comm;
    struct vlp_error err;
    float            all[2] = {0}, own[2] = {1, 2};
    ck_assert_int_eq(vlp_comm_open(&comm, &err), VLP_OK);
    ck_assert_int_eq(comm.size, 1);
    vlp_comm_gather(&comm, all, own, 2);
    vlp_comm_sum(&comm, own, 2);
    int first;
    ck_assert_int_eq(vlp_comm_agree(&comm, VLP_ERR_IO, &first), VLP_ERR_IO);
    ck_assert_int_eq(first, 0);
    ck_assert_mem_eq(all, own, sizeof own);
    vlp_comm_close(&comm);
}
END_TEST

/* What launchers leave in the environment of a process that MPI connects with nobody. */
static const struct {
    const char *environment, *named; /* NULL: alone */
} launched[] = {
    {"OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_SIZE=2"},
    {"MV2_COMM_WORLD_SIZE=2", "MV2_COMM_WORLD_SIZE=2"},
    {"PMI_SIZE=2", "PMI_SIZE=2"},
    {"SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_NUM_TASKS=2"},
    {"PMIX_RANK=0 SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_NUM_TASKS=2"},
    {"PMIX_RANK=1", "PMIX_RANK=1"},
    {"PMI_SIZE=1", NULL},
    {"SLURM_STEP_NUM_TASKS=1", NULL},
    {"PMIX_RANK=0", NULL},
    {"SLURM_NTASKS=4 SLURM_PROCID=0", NULL},     /* a script in an allocation of four */
    {"PMI_SIZE=1 SLURM_STEP_NUM_TASKS=2", NULL}, /* srun started mpirun's daemons */
};

/* As launched[which] says? In a process of its own: MPI keeps what it got, and its variables. */
static int open_launched(int which)
{
    struct vlp_comm       comm;
    struct vlp_error      err;
    const char           *named = launched[which].named;
    const enum vlp_status s = vlp_comm_open(&comm, &err);
    if (s != (named ? VLP_ERR_SUPPORT : VLP_OK)) complain("status", s, VLP_OK);
    if (s != VLP_OK && !(named && strstr(err.text, named))) must(s, &err);
    if (comm.size != 1) complain("processes", comm.size, 1);
    vlp_comm_close(&comm);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

START_TEST(one_of_several_that_cannot_talk_is_refused)
{
    char command[512];
    snprintf(command, sizeof command, "%s ASAN_OPTIONS=detect_leaks=0 '%s' launched %d",
             launched[_i].environment, self, _i);
    ck_assert_msg(system(command) == 0, "%s: see above", launched[_i].environment);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2) return open_launched(atoi(argv[2]));
    if (argc > 1) return strcmp(argv[1], "agree") == 0 ? agree() : take_part(atoi(argv[1]));
    self = argv[0];
    const bool mpi = vlp_comm_has_mpi() && system("command -v mpirun >/dev/null 2>&1") == 0;
    Suite     *s = suite_create("processes");
    TCase     *t = tcase_create("processes");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_process_that_nobody_launched_is_alone);
    tcase_add_loop_test(t, one_of_several_that_cannot_talk_is_refused, 0, (int)VLP_COUNT(launched));
    if (mpi) tcase_add_test(t, a_failure_of_one_process_is_known_to_all);
    if (mpi) tcase_add_loop_test(t, two_processes_are_one, 0, (int)VLP_COUNT(cases));
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
