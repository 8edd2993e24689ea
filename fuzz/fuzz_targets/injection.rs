//! See `trapline_fuzz::injection`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::injection::check);
