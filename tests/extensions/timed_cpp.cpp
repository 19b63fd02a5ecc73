// A pybind11 extension whose CPU time is known: functions that share it in a fixed proportion, that spin, sleep and wait for a lock.
#include <pybind11/pybind11.h>

#include <chrono>
#include <ctime>
#include <mutex>
#include <thread>

#define KEEP __attribute__((noinline))

namespace timed {

static volatile unsigned sink;

static double cpu_s()
{
    timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) * 1e-9;
}

// The same amount of work each time.
__attribute__((always_inline)) static inline void unit(unsigned n)
{
    unsigned x = sink;
    for (unsigned i = 0; i < n * 20000u; i++)
        x = x * 1664525u + 1013904223u;
    sink = x;
}

KEEP void heavy() { unit(7); }
KEEP void light() { unit(3); }

// heavy() takes 70 % of it; how much exactly is kept, since a machine that takes the CPU away makes the turn it was taken in a long one.
double heavys = 0;

KEEP double share(double seconds)
{
    double start = cpu_s(), in_heavy = 0;
    while (cpu_s() - start < seconds) {
        double before = cpu_s();
        heavy();
        in_heavy += cpu_s() - before;
        light();
    }
    double all = cpu_s() - start;
    heavys = in_heavy / all;
    return all;
}

// seconds of CPU time.
KEEP double spin(double seconds)
{
    double start = cpu_s();
    while (cpu_s() - start < seconds)
        unit(1);
    return cpu_s() - start;
}

KEEP void sleep_native(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// Waits that long for a lock that a thread without Python holds and sleeps on.
KEEP void lock_wait(double seconds)
{
    std::mutex lock, ready;
    ready.lock();
    std::thread holder([&] {
        std::lock_guard<std::mutex> held(lock);
        ready.unlock();
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    });
    ready.lock();
    lock.lock();
    lock.unlock();
    holder.join();
}

// Without the GIL: several threads at once.
double spin_unlocked(double seconds)
{
    pybind11::gil_scoped_release release;
    return spin(seconds);
}

} // namespace timed

PYBIND11_MODULE(timed_cpp, m)
{
    m.def("share", &timed::share);
    m.def("share_of_heavy", [] { return timed::heavys; });
    m.def("spin", &timed::spin);
    m.def("spin_unlocked", &timed::spin_unlocked);
    m.def("sleep_native", &timed::sleep_native);
    m.def("lock_wait", &timed::lock_wait);
}
