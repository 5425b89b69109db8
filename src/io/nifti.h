/* What reading and writing NIfTI share. */
#ifndef UN_IO_NIFTI_H
#define UN_IO_NIFTI_H

enum { UN_NIFTI1_HEADER = 348, UN_NIFTI2_HEADER = 540 };

#endif
