"""Exit codes beside 0 and click's 2; README.md says what each means."""

FATAL, SOME_FAILED, OVER_BUDGET, INTERRUPTED = 1, 3, 4, 130
