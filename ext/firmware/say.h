/* Figures on the standard error: "name value", a line. */
#ifndef SAY_H
#define SAY_H

#include <stddef.h>
#include <stdint.h>

#define SAY(name, value) say(name " ", sizeof name, value)

void say(const char* name, size_t bytes, uint32_t value);

#endif
