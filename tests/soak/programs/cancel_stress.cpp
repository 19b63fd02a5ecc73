// Threads that are cancelled while destructors allocate and free. A destructor is noexcept and holds no cancellation
// point, so that nothing ends inside of one; the only points are the calls of pthread_testcancel between them, or any
// instruction of the loop where a thread asks for asynchronous cancellation around arithmetic alone.
#include <pthread.h>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

// Owns a block; gives it back, and takes and gives another one, in a destructor.
class Holder {
  public:
	Holder(std::atomic<long> *alive, std::size_t bytes) : alive_(alive), block_(static_cast<char *>(std::malloc(bytes))), bytes_(bytes)
	{
		std::memset(block_, 1, bytes_);
		alive_->fetch_add(1, std::memory_order_relaxed);
	}
	~Holder()
	{
		void *log_line = std::malloc(bytes_ / 2 + 1);
		delete[] new char[bytes_];
		std::free(log_line);
		std::free(block_);
		alive_->fetch_sub(1, std::memory_order_relaxed);
	}
	Holder(const Holder &) = delete;
	Holder &operator=(const Holder &) = delete;

  private:
	std::atomic<long> *alive_;
	char *block_;
	std::size_t bytes_;
};

struct Work {
	pthread_barrier_t *start;
	std::atomic<long> *alive;
	std::uint32_t seed;
	long steps_max;
};

// Deferred: the request is pending while holders are made and destroyed, and is acted upon at pthread_testcancel.
void *deferred(void *arg)
{
	Work work = *static_cast<Work *>(arg);
	pthread_barrier_wait(work.start);
	for (long i = 0; i < work.steps_max; i++) {
		work.seed = work.seed * 1664525u + 1013904223u;
		Holder outer(work.alive, 16 + (work.seed >> 20));
		{
			Holder inner(work.alive, 64 + (work.seed >> 24));
		}
		pthread_testcancel();
	}
	return nullptr;
}

// The first event of this thread is a free in a destructor, with the request pending since before it.
void *first_event(void *arg)
{
	Work work = *static_cast<Work *>(arg);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
	pthread_barrier_wait(work.start);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
	{
		Holder only(work.alive, 100);
	}
	pthread_testcancel();
	return nullptr;
}

}  // namespace

// Starts `threads` of one kind (0: deferred, 1: first_event), cancels each and waits. Returns the number that ended by
// cancellation, or -1 when a holder was lost.
extern "C" long cancel_round(int kind, int threads, unsigned seed, long spin)
{
	pthread_t started[64];
	Work work[64];
	pthread_barrier_t start;
	std::atomic<long> alive{0};
	pthread_barrier_init(&start, nullptr, static_cast<unsigned>(threads) + 1);
	for (int i = 0; i < threads; i++) {
		work[i] = Work{&start, &alive, seed + static_cast<unsigned>(i), 100000000L};
		if (pthread_create(&started[i], nullptr, kind == 0 ? deferred : first_event, &work[i]) != 0) {
			return -2;
		}
	}
	pthread_barrier_wait(&start);
	for (volatile long i = 0; i < spin; i++) {
	}
	long cancelled = 0;
	for (int i = 0; i < threads; i++) {
		if (kind == 0) {
			pthread_cancel(started[i]);
		}
		void *result = nullptr;
		pthread_join(started[i], &result);
		cancelled += result == PTHREAD_CANCELED;
	}
	pthread_barrier_destroy(&start);
	return alive.load() == 0 ? cancelled : -1;
}
