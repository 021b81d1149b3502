/* The shared table of objects, for Locals.c. */
#ifndef MERINO_SYSV_OBJECTS_H
#define MERINO_SYSV_OBJECTS_H

#include "SystemV.h"

/* A power of two up to 65,536. */
#define SYSV_OBJECTS 65536

void sysv_table_lock(void);
void sysv_table_unlock(void);
/* All of these with the table locked. */

/* The object at an address of a view; its kind is SYSV_NONE where none was made. Ends the job where there is
 * no room. */
struct sysv_object *sysv_table_place(const struct sysv_view *view, uintptr_t address);
/* Makes the lock, condition and barrier that an object of its kind takes and has not. */
void sysv_handles_make(struct sysv_object *object);
/* 0; EBUSY where somebody waits in it. */
int sysv_barrier_remove(struct sysv_object *object);

#endif
