/* What `esker devices` says of the CPU. In: /proc/cpuinfo; out: facts. */
#include "cpu/cpu.h"

#include <stdio.h>
#include <string.h>

void esk_cpu_facts(struct esk_device_facts *facts, char *buffer, size_t size) {
    snprintf(buffer, size, "CPU");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0)
            continue;
        colon += 1 + (colon[1] == ' ');
        colon[strcspn(colon, "\n")] = 0;
        snprintf(buffer, size, "%s", colon);
        break;
    }
    if (file)
        fclose(file);
    *facts = (struct esk_device_facts){
        .provider = "CPU",
        .rung = "",
        .vendor = "",
        .renderer = buffer,
        .version = "",
        .driver = "",
        .node = "",
        .software = true,
    };
}
