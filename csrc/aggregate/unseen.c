#include <stdlib.h>

#include "aggregate/aggregate.h"

static struct rp_unseen *find(const struct rp_unseen_list *l, enum rp_unseen_kind kind, uint32_t name)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->at[i].kind == kind && l->at[i].name == name)
			return &l->at[i];
	return NULL;
}

int rp_unseen_count(struct rp_unseen_list *l, enum rp_unseen_kind kind, uint32_t name, uint64_t count)
{
	struct rp_unseen *u = find(l, kind, name);
	if (u) {
		u->count += count;
		return 0;
	}
	if (rp_result_grow((void **)&l->at, l->n, &l->cap, sizeof(*l->at)))
		return RP_ENOMEM;
	l->at[l->n++] = (struct rp_unseen){ kind, name, count, 0 };
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

/* Children are counted by their parent as `children.NAME`. One that is traced, too, says in `started.by` whose child of which number it is, and in
 * `started.as` its name there; a shell may have started several of one number. Files come in any order. */
static int add_children(struct rp_unseen_list *l, const struct rp_tables *t)
{
	static const char prefix[] = "children.";
	const char *by = rp_tables_meta(t, "started.by"), *as = rp_tables_meta(t, "started.as");
	uint32_t id;

	for (uint32_t i = 0; i < t->metas.n; i++) {
		const char *key = rp_strpool_get(t->strings, t->metas.at[i].key), *name = key + sizeof prefix - 1;
		if (strncmp(key, prefix, sizeof prefix - 1) != 0)
			continue;
		uint64_t count = strtoull(rp_strpool_get(t->strings, t->metas.at[i].value), NULL, 10);
		if (rp_strpool_add(t->strings, name, strlen(name), &id) || rp_unseen_count(l, RP_UNSEEN_CHILDREN, id, count))
			return RP_ENOMEM;
	}
	if (!by || !as)
		return 0;
	if (rp_strpool_add(t->strings, by, strlen(by), &id))
		return RP_ENOMEM;
	if (find(l, RP_UNSEEN_FOLLOWED, id))
		return 0;
	if (rp_unseen_count(l, RP_UNSEEN_FOLLOWED, id, 1) || rp_strpool_add(t->strings, as, strlen(as), &id)
	    || rp_unseen_count(l, RP_UNSEEN_CHILDREN, id, 0))
		return RP_ENOMEM;
	find(l, RP_UNSEEN_CHILDREN, id)->followed++;
	return 0;
}

int rp_unseen_add(struct rp_unseen_list *l, const struct rp_tables *t, uint64_t margins)
{
	const char *init = rp_tables_meta(t, "init_calls");
	int rc = add_losts(l, t);

	if (!rc)
		rc = add_children(l, t);
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
