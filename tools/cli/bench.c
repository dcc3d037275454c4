/* fovea bench: the command line, the plan, progress, and the files that come out. */
#include "bench.h"
#include "files.h"
#include "page.h"
#include "values.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *bench_suite_name(case_bench suite)
{
    static const char *const names[] = {"none", "quick", "standard", "full"};
    return names[suite];
}

static void print_help(void)
{
    fputs(
        "Usage: fovea bench [option ...]\n"
        "\n"
        "Measures what the devices of this machine can do at most, then times attention on them, and checks the\n"
        "very buffers that were timed against double precision.\n"
        "\n"
        "  --device ID      this device alone, such as cpu or vulkan:0; default: every device\n"
        "  --suite NAME     quick (the default), standard or full\n"
        "  --filter REGEX   only cases whose name (operator/case/device) matches, as POSIX extended expressions do\n"
        "  --seconds S      time each case for S seconds (0.5)\n"
        "  --longest S      leave out cases of which one run may take longer (5)\n"
        "  --json FILE      write the results in Google Benchmark's format\n"
        "  --html FILE      write them as one HTML page\n"
        "  --baseline FILE  print the ratio to the times of such a file\n"
        "  --no-cache       neither read nor write the user's cache of kernels\n"
        "  --tune           time every tile that the planner could choose instead, and keep the fastest in the cache\n"
        "  --list           print the names of the cases, without running any\n"
        "  --help           this text\n"
        "\n"
        "Times are wall time of run, submit and wait, and time on the device's own clock. GFLOP/s count\n"
        "2 (dim_qk + dim_v) for each visible pair of query and key, by the device's clock where it has one. peak%\n"
        "is that beside the measured multiply-adds of the keys' type; att.% beside the least of what multiply-adds,\n"
        "exp2, shared memory and copies allow, the one that does being bound.\n"
        "An interrupt ends it after the sample at hand and writes what was measured.\n"
        "\n" CLI_EXIT_CODES "A case that is wrong or fails ends in 1, after all others.\n",
        stdout);
}

/* ---- options --------------------------------------------------------------------------------------------------- */

enum {
    OPTION_DEVICE = 1,
    OPTION_SUITE,
    OPTION_FILTER,
    OPTION_SECONDS,
    OPTION_LONGEST,
    OPTION_JSON,
    OPTION_HTML,
    OPTION_BASELINE,
    OPTION_NO_CACHE,
    OPTION_TUNE,
    OPTION_LIST,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"suite", required_argument, NULL, OPTION_SUITE},
    {"filter", required_argument, NULL, OPTION_FILTER},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"longest", required_argument, NULL, OPTION_LONGEST},
    {"json", required_argument, NULL, OPTION_JSON},
    {"html", required_argument, NULL, OPTION_HTML},
    {"baseline", required_argument, NULL, OPTION_BASELINE},
    {"no-cache", no_argument, NULL, OPTION_NO_CACHE},
    {"tune", no_argument, NULL, OPTION_TUNE},
    {"list", no_argument, NULL, OPTION_LIST},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int parse_suite(const char *text, case_bench *out)
{
    for (int suite = BENCH_QUICK; suite <= BENCH_FULL; suite++)
        if (strcmp(text, bench_suite_name((case_bench)suite)) == 0) {
            *out = (case_bench)suite;
            return CLI_DONE;
        }
    return cli_fail(CLI_USAGE, "--suite must be quick, standard or full, not %s", text);
}

static int parse_seconds(const char *option, const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out > 0.0) || *out > 86400.0)
        return cli_fail(CLI_USAGE, "%s must be a number of seconds above 0, at most 86400, not %s", option, text);
    return CLI_DONE;
}

static int parse_filter(const char *text, bench_options *out)
{
    char reason[200];
    if (out->filtered)
        return cli_fail(CLI_USAGE, "--filter is given twice");
    const int refused = regcomp(&out->filter, text, REG_EXTENDED | REG_NOSUB);
    out->filtered = refused == 0;
    if (!refused)
        return CLI_DONE;
    regerror(refused, &out->filter, reason, sizeof reason);
    return cli_fail(CLI_USAGE, "--filter %s: %s", text, reason);
}

static int add_device(const char *id, bench_options *out)
{
    if (out->device_count == BENCH_DEVICES)
        return cli_fail(CLI_USAGE, "--device: at most %d of them", (int)BENCH_DEVICES);
    out->devices[out->device_count++] = id;
    return CLI_DONE;
}

static int apply_option(int option, bench_options *out)
{
    switch (option) {
    case OPTION_DEVICE: return add_device(optarg, out);
    case OPTION_SUITE: return parse_suite(optarg, &out->suite);
    case OPTION_FILTER: return parse_filter(optarg, out);
    case OPTION_SECONDS: return parse_seconds("--seconds", optarg, &out->seconds);
    case OPTION_LONGEST: return parse_seconds("--longest", optarg, &out->longest);
    case OPTION_JSON: out->json = optarg; return output_check(optarg);
    case OPTION_HTML: out->html = optarg; return output_check(optarg);
    case OPTION_BASELINE: out->baseline = optarg; return CLI_DONE;
    case OPTION_NO_CACHE: out->uncached = true; return CLI_DONE;
    case OPTION_TUNE: out->tune = true; return CLI_DONE;
    default: return CLI_DONE;
    }
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static void name_result(bench_result *result)
{
    snprintf(result->name, sizeof result->name, "softmax/%s/%s", result->c->name, result->device->info.id);
}

/* The cases of one device, behind those already in the list. False without memory. */
static bool plan_device(bench_list *list, const bench_options *options, const bench_device *device)
{
    for (uint32_t i = 0; i < test_case_count; i++) {
        const test_case *c = &test_cases[i];
        if (c->bench == BENCH_NOT || c->bench > options->suite)
            continue;
        bench_result result = {.c = c, .device = device};
        name_result(&result);
        if (options->filtered && regexec(&options->filter, result.name, 0, NULL, 0) != 0)
            continue;
        bench_result *grown = realloc(list->results, (list->count + 1) * sizeof *grown);
        if (!grown)
            return false;
        list->results = grown;
        list->results[list->count++] = result;
    }
    return true;
}

static bool is_asked_for(const bench_options *options, const char *id)
{
    for (size_t i = 0; i < options->device_count; i++)
        if (strcmp(options->devices[i], id) == 0)
            return true;
    return options->device_count == 0;
}

static bool is_there(const bench_list *list, const char *id)
{
    for (size_t i = 0; i < list->device_count; i++)
        if (strcmp(list->devices[i].info.id, id) == 0)
            return true;
    return false;
}

/* Every device of the machine, or those asked for. */
static int find_devices(const bench_options *options, bench_list *list)
{
    static bench_device devices[BENCH_DEVICES];
    fovea_device_info infos[BENCH_DEVICES];
    uint32_t count = BENCH_DEVICES;
    if (fovea_device_enumerate(NULL, infos, &count) != FOVEA_OK)
        return cli_fail(CLI_FAILED, "bench: the devices of this machine cannot be listed");
    list->devices = devices;
    for (uint32_t i = 0; i < count && i < BENCH_DEVICES; i++) {
        if (!is_asked_for(options, infos[i].id))
            continue;
        devices[list->device_count].info = infos[i];
        for (int rate = 0; rate < FOVEA_RATE_COUNT; rate++)
            devices[list->device_count].rates[rate] = NAN;
        list->device_count++;
    }
    for (size_t i = 0; i < options->device_count; i++)
        if (!is_there(list, options->devices[i]))
            return cli_fail(CLI_NO_DEVICE, "no device \"%s\"; fovea info lists them", options->devices[i]);
    return CLI_DONE;
}

/* Cases of one shape but for type and mask are timed in turn. */
static size_t group_size(const bench_list *list, size_t first)
{
    const bench_result *a = &list->results[first];
    size_t size = 1;
    while (first + size < list->count && size < BENCH_GROUP) {
        const bench_result *b = &list->results[first + size];
        if (a->device != b->device || a->c->seq_q != b->c->seq_q || a->c->seq_k != b->c->seq_k ||
            a->c->dim_qk != b->c->dim_qk)
            break;
        size++;
    }
    return size;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

/* On a terminal one line that is written over; else nothing, for the results themselves are lines. */
static void show_progress(size_t done, size_t all, double begun)
{
    if (!isatty(STDERR_FILENO))
        return;
    const double passed = values_seconds() - begun;
    if (done == 0)
        fprintf(stderr, "\r\033[K%zu cases", all);
    else
        fprintf(stderr, "\r\033[K%zu of %zu cases, about %.0f s left", done, all,
                passed / (double)done * (double)(all - done));
    fflush(stderr);
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* A device may lack what a rate needs; any other failure is one of the whole run, which goes on. */
static int measure_rates(session *s, bench_device *device)
{
    int code = CLI_DONE;
    for (int rate = 0; rate < FOVEA_RATE_COUNT && !bench_interrupted(); rate++) {
        const fovea_status status = fovea_device_measure(s->device, (fovea_rate)rate, &device->rates[rate]);
        if (status == FOVEA_OK)
            continue;
        device->rates[rate] = NAN;
        if (status == FOVEA_UNSUPPORTED && rate >= FOVEA_RATE_MATRIX_F16)
            continue; /* few devices have matrix units: the table says so */
        const int failed = session_fail(s, status, fovea_rate_name((fovea_rate)rate));
        if (status != FOVEA_UNSUPPORTED && code == CLI_DONE)
            code = failed;
    }
    end_progress();
    bench_print_device(device);
    return code;
}

static int time_device(session *s, bench_list *list, const bench_options *options, bench_device *device, size_t *done,
                       double begun)
{
    int code = CLI_DONE;
    bench_print_heading();
    while (code == CLI_DONE && *done < list->count && list->results[*done].device == device && !bench_interrupted()) {
        bench_result *results = &list->results[*done];
        const size_t size = group_size(list, *done);
        show_progress(*done, list->count, begun);
        code = bench_time_group(s, options, results, size);
        end_progress();
        for (size_t i = 0; i < size; i++)
            bench_print_result(&results[i]);
        *done += size;
    }
    return code;
}

static int run_device(bench_list *list, const bench_options *options, bench_device *device, size_t *done, double begun)
{
    session s = {0};
    size_t end = *done;
    while (end < list->count && list->results[end].device == device)
        end++;
    int code = session_open(&s, device->info.id, !options->uncached);
    if (code == CLI_DONE) {
        const int rates = measure_rates(&s, device);
        code = options->tune ? bench_tune(&s, options, &list->results[*done], end - *done)
                             : time_device(&s, list, options, device, done, begun);
        code = code == CLI_DONE ? rates : code;
    }
    session_close(&s);
    *done = end;
    return code;
}

static int run_all(bench_list *list, const bench_options *options)
{
    int code = CLI_DONE;
    size_t done = 0;
    const double begun = values_seconds();
    bench_catch_interrupts();
    for (size_t i = 0; i < list->device_count && !bench_interrupted(); i++) {
        const bool any = done < list->count && list->results[done].device == &list->devices[i];
        const int own = any ? run_device(list, options, &list->devices[i], &done, begun) : CLI_DONE;
        code = code == CLI_DONE ? own : code;
    }
    list->interrupted = bench_interrupted();
    if (list->interrupted)
        cli_fail(CLI_DONE, "interrupted: this is what was measured");
    for (size_t i = 0; i < list->count && code == CLI_DONE; i++)
        if (list->results[i].reason[0] && strncmp(list->results[i].reason, "left out", 8) != 0)
            code = cli_fail(CLI_FAILED, "%s: %s", list->results[i].name, list->results[i].reason);
    return code;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int write_json(const json_t *root, const char *path)
{
    output_file file = {0};
    int code = output_open(&file, path);
    if (code == CLI_DONE) {
        const int failed = json_dumpf(root, file.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        fputc('\n', file.stream);
        code = failed && !ferror(file.stream) ? cli_fail(CLI_FAILED, "bench: out of memory") : output_close(&file);
    }
    if (code == CLI_DONE)
        code = output_commit(&file);
    output_release(&file);
    return code;
}

static int write_results(const bench_list *list, const bench_options *options, const json_t *baseline)
{
    int code = CLI_DONE;
    json_t *root = bench_json(list, options);
    if (!root)
        return cli_fail(CLI_FAILED, "bench: out of memory");
    if (options->json)
        code = write_json(root, options->json);
    if (code == CLI_DONE && options->html)
        code = page_write_file(options->html, &root, NULL, 1);
    if (code == CLI_DONE && baseline)
        bench_compare(root, baseline);
    json_decref(root);
    return code;
}

static int bench_with(const bench_options *options, bool list_only, const json_t *baseline)
{
    bench_list list = {0};
    const time_t now = time(NULL);
    struct tm utc;
    int code = find_devices(options, &list);
    if (gmtime_r(&now, &utc))
        strftime(list.date, sizeof list.date, "%Y-%m-%dT%H:%M:%S+00:00", &utc);
    for (size_t i = 0; i < list.device_count && code == CLI_DONE; i++)
        if (!plan_device(&list, options, &list.devices[i]))
            code = cli_fail(CLI_FAILED, "bench: out of memory");
    if (code == CLI_DONE && list.count == 0)
        code = cli_fail(CLI_USAGE, "no case of suite %s matches the filter", bench_suite_name(options->suite));
    if (code == CLI_DONE && list_only) {
        for (size_t i = 0; i < list.count; i++)
            puts(list.results[i].name);
    } else if (code == CLI_DONE) {
        const int ran = run_all(&list, options);
        const int wrote = write_results(&list, options, baseline);
        code = ran != CLI_DONE ? ran : wrote;
    }
    free(list.results);
    return code;
}

int bench_main(int argc, char **argv)
{
    bench_options options = {.suite = BENCH_QUICK, .seconds = 0.5, .longest = 5.0};
    bool list_only = false;
    int option, code = CLI_DONE;
    opterr = 0;
    while (code == CLI_DONE && (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            print_help();
            return CLI_DONE;
        }
        list_only |= option == OPTION_LIST;
        code = option == ':' || option == '?' ? cli_bad_option(option, argv, "bench") : apply_option(option, &options);
    }
    if (code == CLI_DONE && optind < argc)
        code = cli_fail(CLI_USAGE, "unexpected argument \"%s\"; see fovea bench --help", argv[optind]);
    if (code == CLI_DONE && options.tune && (options.uncached || options.json || options.html || options.baseline))
        code = cli_fail(CLI_USAGE,
                        "--tune keeps what it finds in the cache; it goes with no --no-cache, --json, --html or "
                        "--baseline");
    if (code == CLI_DONE && options.json && options.html && output_same(options.json, options.html))
        code = cli_fail(CLI_USAGE, "--json and --html name the same file %s", options.html);
    json_t *baseline = NULL;
    if (code == CLI_DONE && options.baseline) { /* before --json may take its place */
        baseline = bench_load_baseline(options.baseline);
        code = baseline ? CLI_DONE : CLI_USAGE;
    }
    if (code == CLI_DONE)
        code = bench_with(&options, list_only, baseline);
    json_decref(baseline);
    if (options.filtered)
        regfree(&options.filter);
    return code;
}
