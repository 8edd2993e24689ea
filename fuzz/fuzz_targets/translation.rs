//! See `trapline_fuzz::translation`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::translation::check);
