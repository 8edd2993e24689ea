//! Cortex-M: FPB, BPU and DWT.
