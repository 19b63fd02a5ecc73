#include "probe/class_init.h"

int rp_class_init_watch(void)
{
	return 0;
}

void rp_class_init_unwatch(void)
{
}
