/* All of unet. */
#ifndef UNET_UNET_H
#define UNET_UNET_H

#include "unet/config.h"
#include "unet/context.h"
#include "unet/model.h"
#include "unet/profile.h"
#include "unet/status.h"
#include "unet/text.h"
#include "unet/work.h"

#endif
