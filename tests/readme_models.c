/* The models that README.md's programs open, for tests/readme.sh. In: a folder. Out:
 * model.onnx (y = mean over the picture + 7) and state.onnx (next = state + mean of the
 * frame; score = its mean). */
#include "message.h"

#include "esker/tensor.h"

#include <stdio.h>
#include <stdlib.h>

static struct message picture_model(void) {
    const int64_t in[] = {1, 3, 224, 224}, out[] = {1, 3, 1, 1}, one[] = {1};
    const float seven[] = {7};
    struct message graph = {.size = 0}, part;

    part = message_node("GlobalAveragePool", "input", "mean");
    message_add(&graph, 1, &part);
    part = message_node("Add", "mean seven", "scores");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_tensor("seven", 1, one, seven);
    message_add(&graph, 5, &part);
    part = message_value("input", ESK_FLOAT, 4, in);
    message_add(&graph, 11, &part);
    part = message_value("scores", ESK_FLOAT, 4, out);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

static struct message state_model(void) {
    const int64_t state[] = {1, 128}, frame[] = {1, 512}, score[] = {1, 1};
    struct message graph = {.size = 0}, part;

    part = message_node("ReduceMean", "frame", "mean");
    message_add(&graph, 1, &part);
    part = message_node("Add", "state mean", "next");
    message_add(&graph, 1, &part);
    part = message_node("ReduceMean", "next", "score");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_value("state", ESK_FLOAT, 2, state);
    message_add(&graph, 11, &part);
    part = message_value("frame", ESK_FLOAT, 2, frame);
    message_add(&graph, 11, &part);
    part = message_value("next", ESK_FLOAT, 2, state);
    message_add(&graph, 12, &part);
    part = message_value("score", ESK_FLOAT, 2, score);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

static int write_model(const char *folder, const char *name, struct message model) {
    char path[4096];
    FILE *file;
    int good;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    good = file && fwrite(model.bytes, 1, model.size, file) == model.size;
    good = file && !fclose(file) && good;
    return good ? 0 : (perror(path), 1);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return fprintf(stderr, "usage: readme_models FOLDER\n"), 2;
    return write_model(argv[1], "model.onnx", picture_model()) |
           write_model(argv[1], "state.onnx", state_model());
}
