#ifndef MERINO_H
#define MERINO_H
#endif
