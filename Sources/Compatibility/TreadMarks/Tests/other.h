// What the second translation unit of these tests has; compiled as C, as C++ and into a shared library.
#ifndef OTHER_H
#define OTHER_H

#ifdef __cplusplus
extern "C" {
#endif

/// Its Tmk_proc_id and Tmk_nprocs.
unsigned *other_proc_id(void);
unsigned *other_nprocs(void);
/// Adds 1 under the lock.
void other_count(unsigned lock, long *counter);
/// Waits in a barrier.
void other_barrier(void);
/// Sets a static variable of this unit and distributes it.
void other_distribute(long value);
/// That variable.
long other_value(void);

#ifdef __cplusplus
}
#endif

#endif
