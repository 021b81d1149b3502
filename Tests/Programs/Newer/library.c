// The library of a time to come, as far as linking needs it: one function of today, one of tomorrow.
const char *merino_version(void) { return "0.2.0"; }
int merino_tomorrow(void) { return 0; }
