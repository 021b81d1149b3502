/* semctl(2) */
#include <stdarg.h>
#include <string.h>

#include "SemaphoreSets.h"

/* As programs have to define it themselves. */
union argument {
  int value;
  struct semid_ds *description;
  unsigned short *values;
  struct seminfo *limits;
};

static int failed(int error) {
  errno = error;
  return -1;
}

static int describe(const struct set *set, struct semid_ds *description) {
  memset(description, 0, sizeof *description);
  description->sem_perm.__key = set->key;
  description->sem_perm.uid = set->user;
  description->sem_perm.gid = set->group;
  description->sem_perm.cuid = set->creating_user;
  description->sem_perm.cgid = set->creating_group;
  description->sem_perm.mode = (unsigned short)set->mode;
  description->sem_perm.__seq = (unsigned short)set->sequence;
  description->sem_otime = set->state->operated;
  description->sem_ctime = set->made;
  description->sem_nsems = set->count;
  return 0;
}

static int set_value(struct set *set, uint32_t number, int value) {
  if (value < 0 || value > SET_VALUE) return failed(ERANGE);
  set->state->semaphores[number].value = value;
  set->state->semaphores[number].process = getpid();
  set->state->semaphores[number].epoch++;
  set->made = time(NULL);
  return 0;
}

static int set_all(struct set *set, const unsigned short *values) {
  for (uint32_t i = 0; i < set->count; i++) {
    if (values[i] > SET_VALUE) return failed(ERANGE);
  }
  for (uint32_t i = 0; i < set->count; i++) (void)set_value(set, i, values[i]);
  return 0;
}

static int get_all(const struct set *set, unsigned short *values) {
  for (uint32_t i = 0; i < set->count; i++) values[i] = (unsigned short)set->state->semaphores[i].value;
  return 0;
}

/* Commands that concern one semaphore. */
static int one(struct set *set, int number, int command, int value) {
  if (number < 0 || (uint32_t)number >= set->count) return failed(EINVAL);
  const struct set_semaphore *semaphore = &set->state->semaphores[number];
  switch (command) {
    case GETVAL: return semaphore->value;
    case GETPID: return semaphore->process;
    case GETNCNT: return (int)semaphore->raising;
    case GETZCNT: return (int)semaphore->falling;
    default: return set_value(set, (uint32_t)number, value);
  }
}

static int change(struct set *set, const struct semid_ds *wanted) {
  if (!sysv_set_is_callers(set)) return failed(EPERM);
  set->user = wanted->sem_perm.uid;
  set->group = wanted->sem_perm.gid;
  set->mode = (set->mode & ~0777u) | (wanted->sem_perm.mode & 0777u);
  set->made = time(NULL);
  return 0;
}

/* In the set. */
static int control(struct set *set, int number, int command, union argument argument) {
  switch (command) {
    case IPC_STAT: case SEM_STAT: case SEM_STAT_ANY: return describe(set, argument.description);
    case IPC_SET: return change(set, argument.description);
    case GETALL: return get_all(set, argument.values);
    case SETALL: return set_all(set, argument.values);
    default: return one(set, number, command, argument.value);
  }
}

/* Those who wait find that it is gone. The table is locked, as well: its place is free for semget. */
static int remove_set(int identifier) {
  /* Once without the table, whose lock finding the set's lock takes. */
  struct set *set = sysv_set_enter(identifier, 0);
  if (set == NULL) return -1;
  sysv_set_leave(set, 0);
  sysv_sets_lock();
  set = sysv_set_enter(identifier, 0);
  int result = set != NULL ? 0 : -1;
  if (set != NULL && !sysv_set_is_callers(set)) {
    result = failed(EPERM);
    sysv_set_leave(set, 0);
  } else if (set != NULL) {
    struct set_state *state = set->state;
    int is_awaited = state->waiting > 0;
    set->state = NULL;
    sysv_set_leave(set, is_awaited);
    merino_free(state);
  }
  int error = errno;
  sysv_sets_unlock();
  errno = error;
  return result;
}

/* IPC_INFO and SEM_INFO: the highest place in use. */
static int limits(struct seminfo *found, int is_usage) {
  *found = (struct seminfo){.semmap = SETS, .semmni = SETS, .semmns = SETS * SET_SEMAPHORES, .semmnu = SETS,
                            .semmsl = SET_SEMAPHORES, .semopm = SET_OPERATIONS, .semume = SET_OPERATIONS,
                            .semusz = 20, .semvmx = SET_VALUE, .semaem = SET_VALUE};
  int highest = 0, sets = 0, semaphores = 0;
  sysv_sets_lock();
  for (int i = 0; i < SETS && sysv_sets()[i].lock != 0; i++) {
    if (sysv_sets()[i].state == NULL) continue;
    highest = i;
    sets++;
    semaphores += (int)sysv_sets()[i].count;
  }
  sysv_sets_unlock();
  if (is_usage) {
    found->semusz = sets;
    found->semaem = semaphores;
  }
  return highest;
}

static int identifier_of_place(int place) {
  if (place < 0 || place >= SETS) return -1;
  sysv_sets_lock();
  int identifier = sysv_sets()[place].state != NULL ? sysv_set_identifier(&sysv_sets()[place]) : -1;
  sysv_sets_unlock();
  return identifier;
}

static unsigned wanted_by(int command) {
  switch (command) {
    case SETVAL: case SETALL: return 0200;
    case IPC_SET: case SEM_STAT_ANY: return 0;
    default: return 0400;
  }
}

static int is_command(int command) {
  return command == IPC_STAT || command == IPC_SET || (command >= GETPID && command <= SETALL) ||
         command == SEM_STAT || command == SEM_STAT_ANY;
}

SYSV_EXPORT int semctl(int identifier, int number, int command, ...) {
  union argument argument;
  va_list arguments;
  va_start(arguments, command);
  /* Also where there is none: it fills a register. */
  argument = va_arg(arguments, union argument);
  va_end(arguments);
  if (!sysv_is_in_job()) return real()->semctl(identifier, number, command, argument);
  if (sysv_join() != 0) return -1;
  if (command == IPC_INFO || command == SEM_INFO) return limits(argument.limits, command == SEM_INFO);
  if (command == IPC_RMID) return remove_set(identifier);
  if (!is_command(command)) return failed(EINVAL);
  int by_place = command == SEM_STAT || command == SEM_STAT_ANY;
  if (by_place) identifier = identifier_of_place(identifier);
  struct set *set = sysv_set_enter(identifier, wanted_by(command));
  if (set == NULL) return -1;
  int result = control(set, number, command, argument);
  sysv_set_leave(set, (command == SETVAL || command == SETALL) && set->state->waiting > 0);
  return result == 0 && by_place ? identifier : result;
}
