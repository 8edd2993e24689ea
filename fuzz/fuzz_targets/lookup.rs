//! See `trapline_fuzz::lookup`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::lookup::check);
