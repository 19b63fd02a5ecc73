// A pybind11 extension whose allocations are known: new and delete in counted numbers, a known peak, exceptions through C++
// frames, and C++ threads.
#include <pybind11/pybind11.h>

#include <cstddef>
#include <stdexcept>
#include <thread>
#include <vector>

#define KEEP __attribute__((noinline))

namespace counted {

static char *volatile holder;
static std::vector<char *> leaks;

// n blocks of `size`, one alive at a time.
KEEP void new_delete(long n, long size)
{
    for (long i = 0; i < n; i++) {
        holder = new char[static_cast<std::size_t>(size)];
        delete[] holder;
    }
}

class Image {
public:
    explicit Image(std::size_t bytes) : pixels(new char[bytes]) { pixels[0] = 1; }
    ~Image() { delete[] pixels; }

private:
    char *volatile pixels; // volatile, or the compiler leaves out a block that nobody looks at
};

// One Image is alive at a time: the peak is that of the largest.
template <typename Shape> class Painter {
public:
    KEEP void paint(std::size_t bytes)
    {
        Shape shape(bytes);
        holder = reinterpret_cast<char *>(&shape);
    }
};

KEEP void peak(long bytes)
{
    Painter<Image> painter;
    painter.paint(static_cast<std::size_t>(bytes) / 2);
    painter.paint(static_cast<std::size_t>(bytes));
}

// n exceptions thrown and caught three frames further out. What the C++ runtime allocates for them is malloc too.
KEEP static void throw_at(int depth)
{
    if (depth == 0)
        throw std::runtime_error("as asked");
    throw_at(depth - 1);
    holder = nullptr;
}

KEEP long exceptions(long n)
{
    long caught = 0;
    for (long i = 0; i < n; i++) {
        try {
            throw_at(3);
        } catch (const std::runtime_error &) {
            caught++;
        }
    }
    return caught;
}

KEEP static void on_thread(long n, long size)
{
    for (long i = 0; i < n; i++) {
        char *volatile p = new char[static_cast<std::size_t>(size)];
        delete[] p;
    }
}

// `threads` C++ threads without Python, n pairs each.
void threads(int threads, long n, long size)
{
    pybind11::gil_scoped_release release;
    std::vector<std::thread> running;
    for (int i = 0; i < threads; i++)
        running.emplace_back(on_thread, n, size);
    for (auto &t : running)
        t.join();
}

} // namespace counted

PYBIND11_MODULE(counted_cpp, m)
{
    m.def("new_delete", &counted::new_delete);
    m.def("peak", &counted::peak);
    m.def("exceptions", &counted::exceptions);
    m.def("threads", &counted::threads);
}
