/* Writes a C file with the text of shader files. usage: embed_glsl OUT ROOT FILE…
 * In: files under ROOT, named relative to it; out: the table of glcompute/shaders.h. */
#include <stdio.h>
#include <string.h>

static int embed(FILE *out, const char *root, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *in = fopen(path, "rb");
    if (!in) {
        fprintf(stderr, "embed_glsl: cannot read %s\n", path);
        return 1;
    }
    fprintf(out, "    {\"%.*s\", (const char[]){", (int)(strlen(name) - 5), name);
    for (int c, n = 0; (c = fgetc(in)) != EOF; n++)
        fprintf(out, "%s%d,", n % 24 ? "" : "\n", c < 127 ? c : '?'); /* ASCII only */
    fprintf(out, "0}},\n");
    int bad = ferror(in);
    fclose(in);
    return bad;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    FILE *out = fopen(argv[1], "wb");
    if (!out) {
        fprintf(stderr, "embed_glsl: cannot write %s\n", argv[1]);
        return 1;
    }
    int bad = 0;
    fprintf(out, "#include \"glcompute/shaders.h\"\n\n#include <stddef.h>\n\n"
                 "const struct esk_shader esk_shaders[] = {\n");
    for (int i = 3; i < argc; i++)
        bad |= embed(out, argv[2], argv[i]);
    fprintf(out, "    {NULL, NULL},\n};\n");
    return fclose(out) || bad;
}
