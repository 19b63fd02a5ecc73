/* Counters that the kernel keeps of a process: they only grow. A region has what they grew by while it was open, a trace what they grew by from its first
 * reading to its last.
 *
 * All that is known of one stands in its row here; record/reading.c reads it. A new one is a row at the end: a READING ends with as many of them as its
 * version knew, in this order. */
#ifndef RP_FORMAT_COUNTER_H
#define RP_FORMAT_COUNTER_H

/* X(name, its word in dumps and docs/trace-format.md; of reports (report/table.h): key, title, what, unit, where a region shows it) */
#define RP_COUNTERS(X)                                                                                             \
	X(USER, "user_ns", "cpu_user_s", "user CPU", "of cpu_measured_s, in user mode", RP_AS_NS, RP_IN_PAGE)      \
	X(SYSTEM, "system_ns", "cpu_system_s", "system CPU", "of cpu_measured_s, in the kernel", RP_AS_NS, RP_IN_PAGE)    \
	X(MINOR_FAULTS, "minor_faults", "minor_faults", "minor faults", "pages that were given without a read", RP_AS_COUNT, 0) \
	X(MAJOR_FAULTS, "major_faults", "major_faults", "major faults", "pages that had to be read from a disk", RP_AS_COUNT, RP_IN_PAGE | RP_IF_ANY)

#define RP_COUNTER_NAME(name, ...) RP_COUNTER_##name,
enum rp_counter { RP_COUNTERS(RP_COUNTER_NAME) RP_COUNTER_COUNT };
#undef RP_COUNTER_NAME

#endif
