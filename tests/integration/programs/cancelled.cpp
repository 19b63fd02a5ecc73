// Threads that a pthread_cancel is pending for, in code that makes no cancellation point: they come to their end.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

static void *volatile kept; // or the compiler leaves a pair out
static int *volatile made;

static double cpu_s(void)
{
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Work {
    int how;
    void *block;   // made by another thread
    int times;
    ~Work() // noexcept, as every destructor is
    {
        switch (how) {
        case 0: free(block); return;
        case 1: delete static_cast<char *>(block); return;
        case 2: free(kept = malloc(100)); return;
        case 3: delete (made = new int); return;
        case 4: munmap(mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 16); return;
        case 5:
            for (int i = 0; i < times; i++)
                free(kept = malloc(100));
            return;
        case 6:
            for (double end = cpu_s() + 0.1; cpu_s() < end;)
                ;
            return;
        case 7: dlsym(RTLD_DEFAULT, "malloc"); return;
        }
    }
};

static void *run(void *arg)
{
    pthread_cancel(pthread_self());
    delete static_cast<Work *>(arg); // its own block was made by another thread, too
    return reinterpret_cast<void *>(7);
}

// Of n threads, one after the other, those that came to their end.
extern "C" int pending(int how, int n, int times)
{
    int ended = 0;
    for (int i = 0; i < n; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, nullptr, run, new Work{how, how == 1 ? new char : malloc(50), times});
        pthread_join(thread, &result);
        ended += result == reinterpret_cast<void *>(7);
    }
    return ended;
}

struct Calls {
    int (*call)(); // Python
    ~Calls() { call(); }
};

// On a thread that holds the GIL, and is cancelled no more afterwards. (CPython waits for locks where a thread is new to it.)
extern "C" void pending_here(int (*call)())
{
    pthread_cancel(pthread_self());
    {
        Calls here{call};
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
}

static void *disable(void *)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    free(kept = malloc(100));
    return reinterpret_cast<void *>(7);
}

// The same of threads that are cancelled as they begin, and want none of it.
extern "C" int as_they_begin(int n)
{
    int ended = 0;
    for (int i = 0; i < n; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, nullptr, disable, nullptr);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        ended += result == reinterpret_cast<void *>(7);
    }
    return ended;
}

static volatile unsigned turns;

static void *spin(void *)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    for (;;)
        turns = turns + 1;
}

// Of n threads that may be cancelled anywhere, those that were.
extern "C" int anywhere(int n)
{
    int cancelled = 0;
    for (int i = 0; i < n; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, nullptr, spin, nullptr);
        timespec pause = {0, 1000000};
        nanosleep(&pause, nullptr);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        cancelled += result == PTHREAD_CANCELED;
    }
    return cancelled;
}
