/* The environment. In: options; out: devices that sessions share. Must not know models.
 */
#include "run/env.h"

#include "base/mem.h"
#include "esker/version.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *esk_version(void) {
    return TEXT(ESK_VERSION_MAJOR) "." TEXT(ESK_VERSION_MINOR) "." TEXT(
        ESK_VERSION_PATCH);
}

esk_status esk_env_create(const esk_env_options *options, esk_env **env,
                          esk_error *error) {
    if (!env)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "esk_env_create: env is NULL");
    esk_env_options none = {.struct_size = sizeof none};
    if (!options)
        options = &none;
    if (options->struct_size != sizeof *options)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_env_options.struct_size is %zu, this library knows %zu",
                        options->struct_size, sizeof *options);
    struct esk_env *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "an env");
    made->logger =
        (struct esk_logger){options->log, options->log_user, options->log_level};
    if (pthread_mutex_init(&made->lock, NULL)) {
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a mutex cannot be made");
    }
    if (pthread_cond_init(&made->left, NULL)) {
        pthread_mutex_destroy(&made->lock);
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a condition cannot be made");
    }
    *env = made;
    return ESK_OK;
}

void esk_env_leave_begin(struct esk_env *env) {
    pthread_mutex_lock(&env->lock);
    env->leaving++;
    pthread_mutex_unlock(&env->lock);
}

void esk_env_leave_end(struct esk_env *env) {
    pthread_mutex_lock(&env->lock);
    env->leaving--;
    pthread_cond_signal(&env->left);
    pthread_mutex_unlock(&env->lock);
}

static void close_device(struct esk_open_device *device) {
    device->provider->close(device->device);
    esk_settings_finish(&device->settings);
    esk_free(device);
}

void esk_env_destroy(esk_env *env) {
    if (!env)
        return;
    pthread_mutex_lock(&env->lock);
    while (env->leaving) /* a session destroyed by a callback goes on in its own thread */
        pthread_cond_wait(&env->left, &env->lock);
    pthread_mutex_unlock(&env->lock);
    while (env->devices) {
        struct esk_open_device *next = env->devices->next;
        close_device(env->devices);
        env->devices = next;
    }
    pthread_cond_destroy(&env->left);
    pthread_mutex_destroy(&env->lock);
    esk_free(env);
}

static esk_status open_device(struct esk_env *env, const struct esk_provider *provider,
                              const struct esk_settings *settings,
                              struct esk_open_device **device, esk_error *error) {
    struct esk_open_device *made = esk_calloc(1, sizeof *made);
    if (!made || !esk_settings_copy(&made->settings, settings)) {
        if (made)
            esk_settings_finish(&made->settings);
        esk_free(made);
        return esk_fail_memory(error, "a device");
    }
    struct esk_device_options options;
    esk_settings_device(settings, &options);
    made->provider = provider;
    esk_status status = provider->open(&options, &env->logger, &made->device, error);
    if (status != ESK_OK) {
        esk_settings_finish(&made->settings);
        esk_free(made);
        return status;
    }
    made->next = env->devices;
    env->devices = made;
    *device = made;
    return ESK_OK;
}

static esk_status find_device(struct esk_env *env, const struct esk_provider *provider,
                              const struct esk_settings *settings,
                              struct esk_open_device **device, esk_error *error) {
    int64_t id = settings->number[ESK_OPTION_DEVICE_ID];
    for (struct esk_open_device *d = env->devices; d; d = d->next) {
        const char *what;
        /* a lost device stays for the sessions that have it; new ones open it anew */
        if (d->provider != provider || d->settings.number[ESK_OPTION_DEVICE_ID] != id ||
            provider->lost(d->device))
            continue;
        if (!esk_settings_same_device(&d->settings, settings, &what))
            return esk_fail(
                error, ESK_INVALID_ARGUMENT,
                "device %lld is open with another '%s' than this session asks for",
                (long long)id, what);
        *device = d;
        return ESK_OK;
    }
    return open_device(env, provider, settings, device, error);
}

esk_status esk_env_device(struct esk_env *env, const struct esk_provider *provider,
                          const struct esk_settings *settings,
                          struct esk_open_device **device, esk_error *error) {
    pthread_mutex_lock(&env->lock);
    esk_status status = find_device(env, provider, settings, device, error);
    if (status == ESK_OK) {
        (*device)->refs++;
        if (settings->number[ESK_OPTION_PRESERVE_DEVICE])
            (*device)->settings.number[ESK_OPTION_PRESERVE_DEVICE] = 1;
    }
    pthread_mutex_unlock(&env->lock);
    return status;
}

uint64_t esk_env_share(struct esk_env *env, struct esk_open_device *device) {
    pthread_mutex_lock(&env->lock);
    device->refs++;
    uint64_t serial = ++env->serial;
    pthread_mutex_unlock(&env->lock);
    return serial;
}

void esk_env_release(struct esk_env *env, struct esk_open_device *device) {
    if (!device)
        return;
    pthread_mutex_lock(&env->lock);
    if (!--device->refs && (!device->settings.number[ESK_OPTION_PRESERVE_DEVICE] ||
                            device->provider->lost(device->device))) {
        struct esk_open_device **at = &env->devices;
        while (*at != device)
            at = &(*at)->next;
        *at = device->next;
        close_device(device);
    }
    pthread_mutex_unlock(&env->lock);
}
