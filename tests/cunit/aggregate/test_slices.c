/* Calls in their order of time: where they begin and end, what is put together when there is no room, and that a call never reaches beyond its caller. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static const char *slices(int64_t n, double from_ns, double to_ns)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;

	o.format = RP_FORMAT_JSON;
	o.n = n;
	o.from_s = from_ns / 1e9;
	o.to_s = to_ns / 1e9;
	return rr_report("slices.rprof", "slices", &o);
}

static const char *columns(const char *json)
{
	const char *at = strstr(json, "\"slices\":{");

	return at ? at : "";
}

static void write_trace(void)
{
	struct tw w;

	tw_open(&w, "slices.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "step", "/x/a.py", 5, RP_STR(""));
	tw_code(&w, 3, "work", "/x/b.py", 9, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_cpu(t, 0, 0);
	tw_enter(t, 0, 1, TW_NONE); /* main from 0 to 1000 */
	tw_enter(t, 100, 2, TW_NONE); /* step from 100 to 400 */
	tw_enter(t, 50, 3, TW_NONE); /* work from 150 to 350 */
	tw_exit(t, 200);
	tw_exit(t, 50);
	for (int i = 0; i < 10; i++) { /* ten short ones from 500 to 600 */
		tw_enter(t, i ? 2 : 100, 3, TW_NONE);
		tw_exit(t, 8);
	}
	tw_enter(u, 700, 2, TW_NONE); /* in another thread, from 700, never ended */
	tw_cpu(u, 200, 0);
	tw_exit(t, 402);
	tw_close(&w, RP_STATE_COMPLETE);
}

int main(void)
{
	write_trace();

	const char *json = slices(0, 0, 0);
	CHECK_STR(columns(json), "\"slices\":{\"begin\":[0,100,50,350,10,10,10,10,10,10,10,10,10,110],\"took\":[1000,300,200,8,8,8,8,8,8,8,8,8,8,200],"
				  "\"depth\":[0,1,2,1,1,1,1,1,1,1,1,1,1,0],\"frame\":[2,1,0,0,0,0,0,0,0,0,0,0,0,1],\"times\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}\n");
	CHECK(strstr(json, "\"frames\":[[\"work\",\"/x/b.py\",9],[\"step\",\"/x/a.py\",5],[\"main\",\"/x/a.py\",1]]"));

	/* No room for the short ones: one box with all of them. */
	json = slices(6, 0, 0);
	CHECK_STR(columns(json), "\"slices\":{\"begin\":[0,100,50,350,200],\"took\":[1000,300,200,98,200],\"depth\":[0,1,2,1,0],\"frame\":[2,1,0,0,1],\"times\":[1,1,1,10,1]}}\n");

	/* A stretch: what reaches beyond is cut, what lies outside is not told. */
	json = slices(0, 200, 300);
	CHECK_STR(columns(json), "\"slices\":{\"begin\":[200,0,0],\"took\":[100,100,100],\"depth\":[0,1,2],\"frame\":[2,1,0],\"times\":[1,1,1]}}\n");

	remove("slices.rprof");
	return 0;
}
