/* The replay as a program of a host. */
#include <stdio.h>
#include <stdlib.h>

#include "port.h"

void port_start(void) {}

void port_write(const void* data, size_t bytes) {
    if (fwrite(data, 1, bytes, stdout) != bytes) port_exit(4);
}

void port_say(const char* text, size_t bytes) {
    fwrite(text, 1, bytes, stderr);
}

uint32_t port_ticks(void) {
    return 0;
}

uint32_t port_instructions_per_tick(void) {
    return 0;
}

uint32_t port_stack_used(void) {
    return 0;
}

_Noreturn void port_exit(int code) {
    exit(fflush(stdout) == 0 ? code : 4);
}
