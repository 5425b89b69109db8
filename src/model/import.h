/* Weights of other programs in a network of ours (docs/import.md). */
#ifndef UN_MODEL_IMPORT_H
#define UN_MODEL_IMPORT_H

#include "io/weights.h"
#include "model/file.h"

typedef enum un_import_state {
    UN_IMPORT_SAME,    /* name and shape agree                                              */
    UN_IMPORT_ADAPTED, /* first layer: channels added up or repeated                        */
    UN_IMPORT_MADE,    /* follows from what the network is: shortcuts without weights       */
    UN_IMPORT_SHAPE,   /* the name is there, with another shape: initial value stays        */
    UN_IMPORT_MISSING, /* the file has no such name: initial value stays                    */
    UN_IMPORT_STATES
} un_import_state;

typedef struct un_import {
    un_mem *mem;
    const char *names;      /* whose names: "torchvision" ...               */
    char prefix[64];        /* that stands before each in the file          */
    un_import_state *state; /* [parameters]                            */
    int *from;              /* [parameters] array of the file, or UN_NONE */
    char *used;             /* [arrays] */
    int count[UN_IMPORT_STATES];
} un_import;

/* Copies what fits: the scheme of names and the prefix under which most parameters of the network are found. Numbers
 * that are not finite: UNET_E_NUMERIC. No name fits: UNET_E_DATA. only: parameters whose names begin so; NULL: all. */
UN_NODISCARD unet_status un_import_weights(
    un_import *out, un_model *m, const un_weights *w, const char *only, const char *file, unet_error *err);
void un_import_free(un_import *im);

/* Each parameter of the encoder must have come from the file. */
UN_NODISCARD unet_status un_import_check(const un_import *im, const un_model *m, const char *file, unet_error *err);

/* The same before there is a network, and before more of m is settled than its encoder. */
UN_NODISCARD unet_status un_import_fits(
    un_mem *mem, const un_cfg_model *m, const un_weights *w, const char *file, unet_error *err);

/* What matched, what did not and why; all: each by name. */
void un_import_text(un_text *t, const un_import *im, const un_model *m, const un_weights *w, int all);
void un_import_json(un_text *t, const un_import *im, const un_model *m, const un_weights *w);

/* The encoder that the file holds the weights of; *share: how much of it is there. NONE: none of them. */
UN_NODISCARD unet_status un_import_recognise(un_cfg_encoder *out, un_mem *mem, const un_weights *w, unet_error *err);

/* The whole network of an lwnet file (Galdran et al. 2020: one or two small U-Nets in a row), with the configuration
 * that says of it what can be said; *out NULL: the file is none. */
UN_NODISCARD unet_status un_import_lwnet(
    un_model **out, un_mem *mem, const un_config *cfg, const un_weights *w, unet_error *err);

/* Weight [co][ci][taps] of a first layer for another number of channels: for one channel the sum over those of the
 * file; else channel k is the file's channel k modulo theirs, times theirs / ours. */
void un_adapt_channels(float *to, int ci, const float *from, int file_ci, int co, int64_t taps);

/* 1: the parameter is the weight of a convolution that reads the picture itself. */
int un_reads_picture(const un_graph *g, const un_param *p);

#endif
