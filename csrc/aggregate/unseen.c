#include <stdlib.h>

#include "aggregate/aggregate.h"

int rp_unseen_count(struct rp_unseen_list *l, enum rp_unseen_kind kind, uint32_t name, uint64_t count)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->at[i].kind == kind && l->at[i].name == name) {
			l->at[i].count += count;
			return 0;
		}
	if (rp_result_grow((void **)&l->at, l->n, &l->cap, sizeof(*l->at)))
		return RP_ENOMEM;
	l->at[l->n++] = (struct rp_unseen){ kind, name, count };
	return 0;
}

static int add_losts(struct rp_unseen_list *l, const struct rp_tables *t)
{
	static const struct {
		enum rp_lost_reason reason;
		enum rp_unseen_kind kind;
	} kinds[] = {
		{ RP_LOST_DEFINITIONS, RP_UNSEEN_DEFINITIONS },
		{ RP_LOST_SYMBOLS, RP_UNSEEN_SYMBOLS },
		{ RP_LOST_THREADS_UNSAMPLED, RP_UNSEEN_THREADS },
	};
	int rc = 0;

	for (uint32_t i = 0; i < t->losts.n; i++)
		for (size_t k = 0; k < RP_COUNT_OF(kinds) && !rc; k++)
			if (t->losts.at[i].reason == kinds[k].reason)
				rc = rp_unseen_count(l, kinds[k].kind, 0, t->losts.at[i].events);
	return rc;
}

int rp_unseen_add(struct rp_unseen_list *l, const struct rp_tables *t, uint64_t margins)
{
	const char *init = rp_tables_meta(t, "init_calls");
	int rc = add_losts(l, t);

	if (!rc && margins)
		rc = rp_unseen_count(l, RP_UNSEEN_STACK_MARGIN, 0, margins);
	if (!rc && init && !strncmp(init, "not ", 4))
		rc = rp_unseen_count(l, RP_UNSEEN_INIT, 0, 1);
	for (uint32_t i = 0; i < t->modules.n && !rc; i++)
		if (t->modules.at[i].flags & RP_MODULE_STATIC_ALLOCATOR)
			rc = rp_unseen_count(l, RP_UNSEEN_ALLOCATOR, t->modules.at[i].name, 1);
	return rc;
}

int rp_lost_is_events(uint32_t reason)
{
	return reason == RP_LOST_NO_BUFFER || reason == RP_LOST_NOT_WRITTEN;
}

void rp_unseen_release(struct rp_unseen_list *l)
{
	free(l->at);
	memset(l, 0, sizeof(*l));
}
