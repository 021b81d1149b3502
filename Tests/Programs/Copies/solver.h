#ifndef SOLVER_H
#define SOLVER_H

int solver_join(void);
int solver_leave(void);
const char *solver_last_error(void);

#endif
