//! See `trapline_fuzz::pools`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::pools::check);
