/* What the replay needs of the machine it runs on: a board (board.c) or a host (host.c). */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>
#include <stdint.h>

void port_start(void);
void port_write(const void* data, size_t bytes); /* to the standard output */
void port_say(const char* text, size_t bytes);   /* to the standard error */
uint32_t port_ticks(void);                       /* of a clock that counts up; on a host always 0 */
uint32_t port_instructions_per_tick(void);       /* under QEMU's -icount shift=0 */
uint32_t port_stack_used(void);                  /* most bytes so far; on a host 0 */
_Noreturn void port_exit(int code);

#endif
