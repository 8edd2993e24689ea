//! See `trapline_fuzz::loader`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::loader::check);
