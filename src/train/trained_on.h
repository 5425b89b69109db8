/* What a run is trained on, for its records: the pictures of the roles train and select. */
#ifndef UN_TRAIN_TRAINED_ON_H
#define UN_TRAIN_TRAINED_ON_H

#include "data/scan.h"
#include "train/checkpoint.h"

/* data.csv of the run folder: name, role, and the checksums of the bytes of the picture's files and of its mask, in the
 * order of the data set. `t` is empty before. */
UN_NODISCARD unet_status un_trained_table(un_text *t, const un_dataset *d, const un_scan *s, unet_error *err);

/* One checksum of all that: of the bytes of the table. */
void un_trained_checksum(char out[UN_CHECKSUM_MAX], const un_text *table);

/* For the training record (train.record_names): a JSON object with a list of names for each role, in the order of the
 * data set; bytes that are not UTF-8 become U+FFFD. More than a model file should hold: UNET_E_LIMIT. */
UN_NODISCARD unet_status un_trained_names(un_text *t, un_mem *mem, const un_dataset *d, unet_error *err);

#endif
