// One model shared by several threads, each with a session of its own, in C++11.
//
//     c++ -std=c++11 threads.cpp $(pkg-config --cflags --libs unet) -pthread -o threads
//     ./threads model.safetensors
//
// Each thread segments a made-up picture of float pixels in the order BGR; prints the mean probability of the last class
// and whether all threads found the same.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unet/unet.h>

namespace {

struct Free {
    void operator()(unet_context *c) const { unet_context_destroy(c); }
    void operator()(unet_model *m) const { unet_model_destroy(m); }
    void operator()(unet_session *s) const { unet_session_destroy(s); }
};

void check(unet_status st, const unet_error &err)
{
    if (st != UNET_OK)
        throw std::runtime_error(std::string(err.where) + ": " + err.message);
}

std::unique_ptr<unet_context, Free> make_context()
{
    unet_context *c = nullptr;
    unet_error err;

    check(unet_context_create(&c, nullptr, &err), err);
    return std::unique_ptr<unet_context, Free>(c);
}

std::unique_ptr<unet_model, Free> load(unet_context *context, const char *path)
{
    unet_model *m = nullptr;
    unet_error err;

    check(unet_model_load(&m, context, path, &err), err);
    return std::unique_ptr<unet_model, Free>(m);
}

// The probabilities of all pixels and classes.
std::vector<float> segment(const unet_model *model, int width, int height)
{
    unet_session_options o = UNET_SESSION_OPTIONS_INIT;
    unet_model_info info;
    unet_error err;

    unet_model_get_info(model, &info);
    o.width = width;
    o.height = height;

    unet_session *raw = nullptr;
    check(unet_session_create(&raw, model, &o, &err), err);
    std::unique_ptr<unet_session, Free> session(raw);

    std::vector<float> bgr(static_cast<std::size_t>(width) * height * 3);
    for (std::size_t i = 0; i < bgr.size(); i++)
        bgr[i] = static_cast<float>(i * 7919 % 256) / 255;
    std::vector<float> result(static_cast<std::size_t>(width) * height * info.out_channels);
    unet_pixels in = {bgr.data(), UNET_F32, width, height, 3, 0, 0, 1, 0, 0};
    unet_pixels out = {result.data(), UNET_F32, width, height, info.out_channels, 0, 0, 0, 0, 0};
    check(unet_session_run(session.get(), &in, nullptr, &out, &err), err);
    return result;
}

int run(const char *path)
{
    enum { threads = 3, width = 96, height = 80 };
    const std::unique_ptr<unet_context, Free> context = make_context();
    const std::unique_ptr<unet_model, Free> model = load(context.get(), path);
    std::vector<std::vector<float>> result(threads);
    std::vector<std::string> failure(threads);
    std::vector<std::thread> worker;
    unet_model_info info;
    double sum = 0;
    bool same = true;

    for (int i = 0; i < threads; i++)
        worker.emplace_back([&, i] {
            try {
                result[i] = segment(model.get(), width, height);
            } catch (const std::exception &e) {
                failure[i] = e.what();
            }
        });
    for (std::thread &t : worker)
        t.join();
    for (const std::string &f : failure)
        if (!f.empty())
            throw std::runtime_error(f);
    unet_model_get_info(model.get(), &info);
    for (int i = 0; i < width * height; i++)
        sum += result[0][static_cast<std::size_t>(i + 1) * info.out_channels - 1];
    for (const std::vector<float> &r : result)
        same = same && r == result[0];
    std::printf("mean probability %.4f, %s\n", sum / (width * height), same ? "the same in all threads" : "not the same");
    return same ? 0 : 1;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: threads MODEL.safetensors\n");
        return 2;
    }
    try {
        return run(argv[1]);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "threads: %s\n", e.what());
        return 1;
    }
}
