//! See `trapline_fuzz::chip`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::chip::check);
