//! See `trapline_fuzz::breakpoint`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::breakpoint::check);
