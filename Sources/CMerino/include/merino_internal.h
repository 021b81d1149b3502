// Between the C part and the Swift part of libmerino; not installed.
#ifndef MERINO_INTERNAL_H
#define MERINO_INTERNAL_H

/// The sentence of this thread's last failure; "" if none.
const char *mrn_last_error(void);
/// Keeps the sentence, cut to what fits.
void mrn_set_last_error(const char *sentence);
/// Sets this thread's errno.
void mrn_set_errno(int value);

#endif
