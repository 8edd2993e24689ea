//! See `trapline_fuzz::aarch32`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::aarch32::check);
