/* All of Esker's public face. */
#ifndef ESKER_ESKER_H
#define ESKER_ESKER_H

#include "esker/binding.h"
#include "esker/env.h"
#include "esker/log.h"
#include "esker/model.h"
#include "esker/profile.h"
#include "esker/provider.h"
#include "esker/run.h"
#include "esker/session.h"
#include "esker/status.h"
#include "esker/tensor.h"
#include "esker/version.h"

#endif
