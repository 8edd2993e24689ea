//! See `trapline_fuzz::kernel_image`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::kernel_image::check);
