#include "runner.h"

/* A driver's threads do not follow into a forked test. */
bool run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    const bool passed = srunner_ntests_failed(runner) == 0;
    srunner_free(runner);
    return passed;
}
