/* What a region is to others: the how manieth its process opened, and the how manieth attempt at its quantum; and how it ended. A quantum that is tried again,
 * in the same process or in another job, has the same labels again; what the tries have in common is known only when all files are read. */
#include <stdlib.h>

#include "aggregate/aggregate.h"

/* One try. Keys are string ids: equal strings have equal ids. */
struct try {
	uint32_t key[3];
	uint32_t region;
	double start_s;
};

/* By the middleware's own id, which older releases do not give to tasks; else by what makes a quantum. 0: the region is none. */
static int key_of(const struct rp_result *r, const struct rp_region *g, uint32_t *ret_key)
{
	uint32_t id = rp_region_label(r, g, "quantum_id", 0), task = rp_region_label(r, g, "task", 0), data_id = rp_region_label(r, g, "data_id", 0);

	ret_key[0] = id ? id : task;
	ret_key[1] = id ? 0 : data_id;
	ret_key[2] = id ? 0 : rp_region_label(r, g, "run", 0);
	return id || (task && data_id);
}

static int by_key_and_start(const void *a, const void *b)
{
	const struct try *x = a, *y = b;

	for (int i = 0; i < 3; i++)
		if (x->key[i] != y->key[i])
			return x->key[i] < y->key[i] ? -1 : 1;
	if (x->start_s != y->start_s)
		return x->start_s < y->start_s ? -1 : 1;
	return x->region < y->region ? -1 : x->region > y->region;
}

static int number_attempts(struct rp_result *r)
{
	struct try *tries = malloc((r->n_regions ? r->n_regions : 1) * sizeof(*tries));
	uint32_t n = 0;

	if (!tries)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < r->n_regions; i++)
		if (key_of(r, &r->regions[i], tries[n].key)) {
			tries[n].region = i;
			tries[n++].start_s = r->regions[i].start_s;
		}
	rp_sort(tries, n, sizeof(*tries), by_key_and_start);
	for (uint32_t first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n && !memcmp(tries[end].key, tries[first].key, sizeof(tries->key)); end++)
			;
		for (uint32_t i = first; i < end; i++) {
			r->regions[tries[i].region].attempt = i - first + 1;
			r->regions[tries[i].region].attempts = end - first;
		}
		r->quanta++;
		r->quanta_retried += end - first > 1;
	}
	free(tries);
	return 0;
}

/* Regions of a process stand together, in the order of their begin. */
static int number_in_process(struct rp_result *r)
{
	struct rp_idmap opened = { 0 }; /* by parent */
	int rc = 0;

	for (uint32_t i = 0; i < r->n_regions && !rc; i++) {
		struct rp_region *g = &r->regions[i];
		if (i && g->process != r->regions[i - 1].process)
			rp_idmap_release(&opened);
		uint32_t *before = rp_idmap_find(&opened, g->parent);
		g->nth_in_process = before ? *before + 1 : 1;
		rc = rp_idmap_put(&opened, g->parent, g->nth_in_process);
	}
	rp_idmap_release(&opened);
	return rc ? RP_ENOMEM : 0;
}

static enum rp_outcome outcome_of_word(const char *status)
{
	static const struct {
		const char *word;
		enum rp_outcome outcome;
	} words[] = {
		{ "done", RP_OUTCOME_SUCCEEDED }, { "no_work", RP_OUTCOME_SUCCEEDED }, { "partial", RP_OUTCOME_PARTIAL },
		{ "failed", RP_OUTCOME_FAILED },  { "interrupted", RP_OUTCOME_FAILED },
	};

	for (size_t i = 0; i < RP_COUNT_OF(words); i++)
		if (!strcmp(status, words[i].word))
			return words[i].outcome;
	return strncmp(status, "failed_", 7) ? RP_OUTCOME_UNKNOWN : RP_OUTCOME_FAILED;
}

/* A status in the program's own words says nothing here; but what an exception left is not done. Without any status the label "exception" is the
 * program's own, too: region.py writes both. */
static enum rp_outcome outcome_at_end(const char *status, uint32_t exception)
{
	enum rp_outcome said = outcome_of_word(status);

	return said == RP_OUTCOME_UNKNOWN && *status && exception ? RP_OUTCOME_FAILED : said;
}

static void find_outcomes(struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_regions; i++) {
		struct rp_region *g = &r->regions[i];
		enum rp_ended ended = r->processes[g->process].ended;
		g->exception = g->is_unfinished ? 0 : rp_region_label(r, g, "exception", 0);
		if (g->is_unfinished)
			g->outcome = ended == RP_ENDED_KILLED ? RP_OUTCOME_KILLED : ended == RP_ENDED_NOT ? RP_OUTCOME_RUNNING : RP_OUTCOME_UNKNOWN;
		else
			g->outcome = outcome_at_end(rp_strpool_get(&r->strings, rp_region_label(r, g, "status", 0)), g->exception);
	}
}

int rp_result_number_regions(struct rp_result *r)
{
	int rc = number_in_process(r);

	find_outcomes(r);
	return rc ? rc : number_attempts(r);
}
