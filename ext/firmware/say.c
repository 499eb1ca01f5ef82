#include "say.h"

#include "port.h"

void say(const char* name, size_t bytes, uint32_t value) {
    char digits[12];
    char* first = digits + sizeof digits;
    *--first = '\n';
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    port_say(name, bytes);
    port_say(first, (size_t)(digits + sizeof digits - first));
}
