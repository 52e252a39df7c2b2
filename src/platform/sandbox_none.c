/* In place of sandbox.c for processors whose calls it does not know. */
#include "platform/sandbox.h"

#include <errno.h>

int sandbox_enter(void)
{
	return -ENOSYS;
}
